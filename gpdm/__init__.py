"""GPDM: new images with the patch distribution of a reference, by direct minimisation of the sliced Wasserstein distance.

Elnekave and Weiss, "Generating Natural Images with Direct Patch Distributions Matching", ECCV 2022.
"""

from ._options import Options as Options
from ._options import OptionSpec as OptionSpec
from ._options import describe as describe
from ._options import option as option
from .bidirectional import BidirectionalLoss as BidirectionalLoss
from .combined import CombinedLoss as CombinedLoss
from .descent import LevelOptimizer as LevelOptimizer
from .errors import GPDMError as GPDMError
from .errors import ImageError as ImageError
from .errors import OptionError as OptionError
from .evaluation_plots import evaluation_maps as evaluation_maps
from .evaluation_plots import evaluation_plot as evaluation_plot
from .evaluation_plots import evaluation_text as evaluation_text
from .guess import InitialGuess as InitialGuess
from .images import from_pil as from_pil
from .images import to_pil as to_pil
from .losses import Loss as Loss
from .losses import SWDLoss as SWDLoss
from .memory import LevelMemory as LevelMemory
from .memory import picture_bytes as picture_bytes
from .metrics import Evaluation as Evaluation
from .metrics import diversity as diversity
from .metrics import evaluate as evaluate
from .nearest import SEARCHES as SEARCHES
from .objectives import Objective as Objective
from .objectives import PatchWeights as PatchWeights
from .optimizers import Optimizer as Optimizer
from .patch_nn import PatchNN as PatchNN
from .patches import BORDERS as BORDERS
from .plots import loss_curve as loss_curve
from .pyramid import Level as Level
from .pyramid import PyramidSchedule as PyramidSchedule
from .sifid import sifid as sifid
from .swd import sliced_wasserstein as sliced_wasserstein
from .synthesis import StepInfo as StepInfo
from .synthesis import Synthesis as Synthesis
from .synthesis import synthesize as synthesize
from .tasks import QUALITIES as QUALITIES
from .tasks import RECIPES as RECIPES
from .tasks import OutputOptions as OutputOptions
from .tasks import Recipe as Recipe
from .tasks import from_reference as from_reference
from .tasks import reshuffle as reshuffle
from .tasks import retarget as retarget
from .tasks import style_transfer as style_transfer
from .tasks import texture as texture
from .weights import load_inception_file as load_inception_file

__version__ = "0.1.0"
