"""Records of matches: tasks that give pictures a property of reference pictures, such as their colours or their grain.

All pictures keep their size and their layout, and those of a batch count as one, such as the frames of a clip.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ..options import Options
from ..pictures.progress import OnProgress
from ..references import Reference
from .lut import Lut


@dataclass(frozen=True, kw_only=True)
class MatchInput:
    """The pictures of a match, without alpha channels."""

    images: Tensor
    """Pictures that change, (B, C, H, W) in [-1, 1] with C 1 or 3; all of one clip, or a single one."""
    references: list[Reference]
    """Pictures whose property is matched, with the same channels; together they are one distribution."""
    lut: Lut | None = None
    """A change of colours in place of references, for a match that has one (`Match.lut_help`)."""
    weight: Tensor | None = None
    """How much each pixel of the pictures counts, from 0 to 1, (B, 1, H, W): 0 where nothing changes, or where a
    picture is transparent. None: all count alike."""
    seed: int = 0
    on_step: OnProgress | None = None


@dataclass(frozen=True)
class Matched:
    """The result of a match."""

    images: Tensor
    """Pictures, (B, C, H, W)."""
    lut: Lut | None = None
    """The change of colours, for a match that has one (`Match.lut_help`)."""
    note: str | None = None
    """A line that says why the result may not be good; None if nothing is known."""
    change: Tensor | None = None
    """How much each pixel was changed, from 0 to 1, (B, 1, H, W); where it is 0, a picture is as it was given. None:
    all pixels may differ. `run_match` sets it."""


@dataclass(frozen=True, kw_only=True)
class MatchExample:
    """The shipped workflow file of a match."""

    reference: str
    """File in workflows/inputs."""
    image: str
    """File in workflows/inputs."""
    values: Mapping[str, Any]
    """Widget values that differ from their defaults."""
    note: str
    """What the output shows, for the note next to the nodes."""


@dataclass(frozen=True, kw_only=True)
class Match:
    """One match. Its function, node, command, help page, workflow file and tests are made from this record."""

    name: str
    """Name of its function and its key in `MATCHES`."""
    title: str
    """Name in the editor. The node id is made from it, so it never changes."""
    command: str
    """Name of its command in the terminal."""
    summary: str
    """What it makes, in one or two sentences."""
    advice: str
    """Which settings to change, and what happens then."""
    reference_help: str
    """What the reference is."""
    image_help: str
    """What the pictures are."""
    mask_help: str
    """What the mask covers."""
    options: type[Options]
    apply: Callable[[MatchInput, Any], Matched]
    """Changes pictures, with the input and the options. Where the weight is 0 its result is not used."""
    is_random: bool
    """Whether the result depends on a seed."""
    lut_help: str | None = None
    """What the LUT does, for a match whose change of colours is one; None: there is no LUT."""
    aliases: tuple[str, ...] = ()
    """Words under which people look for it."""
    example: MatchExample

    @property
    def node_id(self) -> str:
        """The id of its node, which saved files hold."""
        return "GPDM_" + self.title.replace(" ", "")

    @property
    def file(self) -> str:
        """The name of its workflow file, without suffix."""
        return self.title.lower().replace(" ", "_")
