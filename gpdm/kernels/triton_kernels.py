"""The functions of `reference` as Triton kernels."""

from .triton_adam import adam as adam
from .triton_compare import compare as compare
from .triton_count import project_and_count as project_and_count
from .triton_gradient import backproject as backproject
from .triton_mse import weighted_mse as weighted_mse
