"""Tasks as data: the record of a task, its settings, and what each quality changes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import GPDMError, OptionError
from ..guess import InitialGuess
from ..losses.base import Loss
from ..losses.swd import SWDLoss
from ..optimizers.base import LevelSolver
from ..optimizers.gradient import Optimizer
from ..optimizers.patch_denoiser import PatchDenoiser
from ..optimizers.patch_nn import PatchNN
from ..options import Options
from ..pyramid import PyramidSchedule
from .output import OutputOptions, Work


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The settings of one run of a task: loss, pyramid, initial guess, optimizer, options of the output and its own."""

    loss: Loss = field(default_factory=SWDLoss)
    pyramid: PyramidSchedule = field(default_factory=PyramidSchedule)
    guess: InitialGuess = field(default_factory=InitialGuess)
    optimizer: LevelSolver = field(default_factory=Optimizer)
    output: OutputOptions = field(default_factory=OutputOptions)
    own: Options | None = None
    """Options that this task alone has."""

    def from_image(self) -> Recipe:
        """Returns these settings with a guess that starts from a picture."""
        return replace(self, guess=replace(self.guess, source="image"))


def check_minimises(recipe: Recipe, use: str) -> None:
    """Raises `GPDMError` if the optimizer minimises no loss; `use` says for what one is needed."""
    if not isinstance(recipe.optimizer, Optimizer):
        raise GPDMError(
            f"{use}, which the qualities draft and denoiser (GPDM Patch NN, GPDM Patch Denoiser) do not minimise; use "
            "quality fast"
        )


@dataclass(frozen=True, kw_only=True)
class Changes:
    """Option values that differ from a task's own settings, by part and option name."""

    loss: Mapping[str, Any] = field(default_factory=dict)
    pyramid: Mapping[str, Any] = field(default_factory=dict)
    guess: Mapping[str, Any] = field(default_factory=dict)
    optimizer: Mapping[str, Any] | LevelSolver = field(default_factory=dict)
    """Values of the task's own optimizer, or another optimizer."""

    def apply(self, recipe: Recipe) -> Recipe:
        """Returns `recipe` with these values."""
        parts = {
            part: replace(getattr(recipe, part), **values) if isinstance(values, Mapping) else values
            for part, values in vars(self).items()
        }
        return replace(recipe, **parts)


QUALITIES: dict[str, Changes] = {
    "fast": Changes(loss={"num_proj": 16}, optimizer={"num_steps": 300, "fine_steps": 100}),
    "balanced": Changes(),
    "best": Changes(
        loss={"num_proj": 64}, pyramid={"fine_factor": 0.75}, optimizer={"num_steps": 600, "fine_steps": 300}
    ),
    "paper": Changes(
        loss={
            "solver": "exact",
            "distance": "l1",
            "projections": "independent",
            "num_proj": 64,
            "detail": 0.0,
            "coherence": 0.0,
            "small_patches": 0.0,
        },
        pyramid={"pyr_factor": 0.85, "fine_factor": 0.85},
        optimizer={
            "method": "adam",
            "lr": 0.01,
            "num_steps": 300,
            "fine_steps": 0,
            "final_lr": 1.0,
            "beta_2": 0.999,
            "beta_1": 0.9,
        },
    ),
    "draft": Changes(optimizer=PatchNN(search="approximate", num_steps=4, alpha=0.001)),
    "denoiser": Changes(optimizer=PatchDenoiser(), pyramid={"pyr_factor": 0.5, "fine_factor": 0.5}),
}
"""What each quality changes of a task's own settings. "paper" is the published configuration with its sorted distance;
docs/adr/0001 lists the remaining deviations. A task may add its own changes for it (`Task.paper`). "draft" is another
algorithm, patch nearest neighbours, in seconds: it copies more than the others. "denoiser" is a third,
diffusion by patches with the published spacing of levels: its edges are sharp, and it copies like "draft"."""

DEFAULT_QUALITY = "balanced"


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One picture that a task takes: an argument of its function and its command, and a socket of its node."""

    name: str
    help: str
    start: bool = False
    """Whether the output starts from this picture and has its size. The other picture gives the patches."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """The shipped workflow file of a task."""

    pictures: Mapping[str, str]
    """File in workflows/inputs, by picture name."""
    values: Mapping[str, Any]
    """Widget values of the task's node that differ from their defaults."""
    note: str
    """What the output shows, for the note next to the nodes."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One task. Its function, node, command, help page, workflow file and tests are made from this record."""

    name: str
    """Name of its function and its key in `TASKS`."""
    title: str
    """Name in the editor. The node id is made from it, so it never changes."""
    command: str
    """Name of its command in the terminal."""
    summary: str
    """What it makes, in one or two sentences."""
    advice: str
    """Which settings to change, and what happens then."""
    pictures: tuple[Picture, ...]
    """Pictures of the task in the order of the function's arguments: one that gives the patches, and at most one
    start.
    """
    prepare: Callable[[Work, OutputOptions], Work]
    """Brings the references to their scale and computes the size of the output."""
    adapt: Callable[[Work, Recipe], Work] | None = None
    """Changes what `prepare` returns as the task's own options (`Recipe.own`) say; None: it has none."""
    settings: Recipe = field(default_factory=Recipe)
    """Settings at quality "balanced"."""
    quality: str = DEFAULT_QUALITY
    """The quality that it has unless another one is chosen."""
    paper: Changes = field(default_factory=Changes)
    """What the published configuration changes besides QUALITIES["paper"]."""
    resizes: bool = True
    """Whether it offers the options that set the output's size."""
    aliases: tuple[str, ...] = ()
    """Words under which people look for it."""
    example: Example

    def named(self, pictures: Sequence[Any]) -> dict[str, Any]:
        """Returns the arguments of its function by the name of the picture; raises `GPDMError` for a wrong number."""
        if len(pictures) != len(self.pictures):
            names = " and ".join(picture.name for picture in self.pictures)
            raise GPDMError(f"{self.name} needs {len(self.pictures)} picture(s) ({names}), not {len(pictures)}")
        return {picture.name: given for picture, given in zip(self.pictures, pictures, strict=True)}

    def recipe(self, quality: str | None = None) -> Recipe:
        """Returns the settings at one of `QUALITIES`, by default its own; raises `OptionError` for an unknown one."""
        quality = self.quality if quality is None else quality
        if quality not in QUALITIES:
            raise OptionError("quality", quality, f"it must be one of {', '.join(QUALITIES)}")
        recipe = QUALITIES[quality].apply(self.settings)
        return self.paper.apply(recipe) if quality == "paper" else recipe

    @property
    def node_id(self) -> str:
        """The id of its node, which saved files hold."""
        return "GPDM_" + self.title.replace(" ", "")

    @property
    def file(self) -> str:
        """The name of its workflow file, without suffix."""
        return self.title.lower().replace(" ", "_")

    @property
    def start(self) -> Picture | None:
        """The picture that the output starts from, if the task takes one."""
        return next((picture for picture in self.pictures if picture.start), None)

    @property
    def reference(self) -> Picture:
        """The picture that gives the patches."""
        return next(picture for picture in self.pictures if not picture.start)
