"""Tables of targets: what is measured, the required and the desired value, and whether the measured one meets them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """A line of a table: what is measured, under which key, the required and the desired value."""

    what: str
    key: str
    required: float
    desired: float
    higher_is_better: bool = False

    def verdict(self, measured: float | None) -> str:
        """Returns the measured value and whether it meets the target."""
        if measured is None:
            return "not measured"
        required, desired = (
            measured >= bound if self.higher_is_better else measured <= bound for bound in (self.required, self.desired)
        )
        return f"{measured:.3g} ({'as desired' if desired else 'as required' if required else 'missed'})"


def target_table(targets: Sequence[Target], measured: Mapping[str, float]) -> str:
    """Returns the Markdown table of the targets with the values measured, by key."""
    lines = ["| what | required | desired | measured |", "| --- | --- | --- | --- |"]
    for target in targets:
        verdict = target.verdict(measured.get(target.key))
        lines.append(f"| {target.what} | {target.required:g} | {target.desired:g} | {verdict} |")
    return "\n".join(lines)
