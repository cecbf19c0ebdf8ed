"""Records of edits: tasks that change a part of a picture and leave the rest as it is, bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from ..images import Size
from ..options import Options
from ..pictures.progress import OnProgress
from ..references import Reference


class EditOptions(Options):
    """Base of the options of edits."""

    @property
    def together(self) -> bool:
        """True if all pictures of a batch change in the same way, as maps of one material do."""
        return False

    def output_size(self, size: Size) -> Size:
        """Returns height and width of the result of a picture of `size`."""
        return size


@dataclass(frozen=True, kw_only=True)
class EditInput:
    """One picture, and what it is edited with."""

    image: Tensor
    """Picture, (1, C, H, W) in [-1, 1]."""
    mask: Tensor | None
    """Mask as it is given, (1, 1, h, w) of any size, values from 0 to 1; None if there is none."""
    references: list[Reference] = field(default_factory=list)
    """Other pictures whose patches are used, in place of those of the picture itself; empty: there are none."""
    exclude: Tensor | None = None
    """Mask of the part of the picture whose patches are not used, (1, 1, h, w) of any size; None: there is none."""
    seed: int = 0
    on_step: OnProgress | None = None


@dataclass(frozen=True)
class Edited:
    """The result of an edit of one picture."""

    image: Tensor
    """Picture, (1, C, H, W), or the frames that are made of it, (N, C, H, W)."""
    mask: Tensor
    """1 where the picture may differ from the given one, else 0, (1, 1, H, W)."""
    source: Tensor
    """Where each changed pixel comes from: number of the reference, row and column in it, (3, H, W), int64; -1 where
    nothing was copied. Without other references, reference 0 is the picture itself."""
    origin: tuple[int, int] = (0, 0)
    """Row and column of the result at which the given picture begins."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """What was measured, by name, as `Edit.metrics` says."""


@dataclass(frozen=True, kw_only=True)
class EditExample:
    """The shipped workflow file of an edit."""

    image: str
    """File in workflows/inputs."""
    mask: str | None
    """File in workflows/inputs whose transparency is the mask, as the mask editor saves it."""
    values: Mapping[str, Any]
    """Widget values that differ from their defaults."""
    note: str
    """What the output shows, for the note next to the nodes."""


@dataclass(frozen=True)
class EditPreview:
    """A view of the results in use, such as a tile that is repeated."""

    show: Callable[[Tensor, Any], Tensor]
    """Returns the view of pictures (N, C, H, W) that were made with the options, (N, C, h, w)."""
    help: str
    """What the view shows."""


@dataclass(frozen=True, kw_only=True)
class Edit:
    """One edit. Its function, node, command, help page, workflow file and tests are made from this record."""

    name: str
    """Name of its function and its key in `EDITS`."""
    title: str
    """Name in the editor. The node id is made from it, so it never changes."""
    command: str
    """Name of its command in the terminal."""
    summary: str
    """What it makes, in one or two sentences."""
    advice: str
    """Which settings to change, and what happens then."""
    image_help: str
    """What the picture is."""
    mask_help: str | None
    """What the mask covers; None for an edit without a mask."""
    mask_is_optional: bool = False
    """Whether the mask may be left out."""
    original_help: str | None = None
    """What the picture was before a change, from which the mask can be found instead of being given (`pasted_part`);
    None: it cannot."""
    options: type[EditOptions]
    apply: Callable[[EditInput, Any], Edited]
    """Edits one picture, with the input and the options. Where the result's mask is 0, it has the pixels of the given
    picture."""
    takes_references: bool = True
    """Whether patches of other pictures can be used, and a part of the picture can be excluded."""
    keeps_rest: bool = True
    """Whether the picture stays as it is outside the mask. If not, the result is a new picture, without sources."""
    preview: EditPreview | None = None
    """A view of the results; None: there is none."""
    metrics: str | None = None
    """What is measured of each result; None: nothing is."""
    aliases: tuple[str, ...] = ()
    """Words under which people look for it."""
    example: EditExample

    @property
    def needs_mask(self) -> bool:
        """True if it cannot be made without a mask."""
        return self.mask_help is not None and not self.mask_is_optional

    @property
    def node_id(self) -> str:
        """The id of its node, which saved files hold."""
        return "GPDM_" + self.title.replace(" ", "")

    @property
    def file(self) -> str:
        """The name of its workflow file, without suffix."""
        return self.title.lower().replace(" ", "_")
