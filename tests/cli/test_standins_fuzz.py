"""Stand-ins with pictures and values of every kind: a result of the right form, or an error that a user can read.

GPDM_FUZZ_EXAMPLES is the number of examples, for longer runs by hand. They are random then.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from cli.fuzzing import fuzz
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from gpdm import GPDMError
from gpdm.cli.definitions import Input, from_class
from gpdm.cli.standins import STAND_INS, Session

FUZZ = fuzz(150)
KINDS = sorted(set(STAND_INS) - {"LoadImage", "LoadImageMask"})
TEXTS = [
    "",
    "a",
    "../x",
    "a/b",
    "%date:yyyy%/x",
    "%width%x",
    "%a.b%",
    "x%batch_num%",
    "é\n\x01",
    "a*b",
    "a**a**a",
    "((",
]
LENGTHS = [1, 2, 3, 5, 8]
DIMENSIONS = {"IMAGE": 4, "MASK": 3}


@st.composite
def batches(draw: st.DrawFn, kind: str) -> Tensor:
    """A small picture or mask; a few values are outside of [0, 1]."""
    shape = [draw(st.integers(1, 3)), draw(st.sampled_from(LENGTHS)), draw(st.sampled_from(LENGTHS))]
    values = torch.rand(*shape, draw(st.integers(1, 4)), generator=torch.Generator().manual_seed(0)) * 1.2 - 0.1
    return values if kind == "IMAGE" else values[..., 0]


def values(each: Input) -> st.SearchStrategy[Any]:
    low, high = each.options.get("min", 0), min(each.options.get("max", 40), 40)
    if each.name.endswith("megapixels"):
        return st.just(0.01)
    if "," in each.type:
        return st.one_of([values(Input("", kind, True, None, {})) for kind in each.type.split(",")])
    return {
        "IMAGE": batches("IMAGE"),
        "MASK": batches("MASK"),
        "COMBO": st.sampled_from(each.choices or ("a",)),
        "INT": st.sampled_from([max(low, -40), 0, 1, 2, 7, high]).map(lambda value: max(low, value)),
        "FLOAT": st.sampled_from([max(low, -40.0), 0.01, 0.5, 2.0]).map(lambda value: max(low, value)),
        "BOOLEAN": st.booleans(),
        "STRING": st.sampled_from(TEXTS),
        "BOUNDING_BOX": st.dictionaries(st.sampled_from(["x", "y", "width", "height"]), st.integers(0, 9)),
        "*": st.one_of(batches("IMAGE"), batches("MASK"), st.none(), st.just({"a": float("nan")}), st.just([{1}])),
    }[each.type]


@FUZZ
@given(st.data())
def test_a_result_or_an_error(tmp_path: Path, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(KINDS))
    definition, inputs = from_class(kind, STAND_INS[kind]), {}
    for each in definition.inputs:
        if each.required or data.draw(st.integers(0, 9)) == 0:
            inputs[each.name] = data.draw(values(each))
    added = [each for each in definition.inputs_for(inputs) if each not in definition.inputs]
    inputs |= {each.name: data.draw(values(each)) for each in added}
    try:
        results = STAND_INS[kind](Session((), tmp_path)).run(**inputs)
    except GPDMError as error:
        refused, results = str(error), None
    if results is None:
        assert "not allowed" in refused or "cannot be computed" in refused
        return
    assert len(results) == len(definition.outputs)
    for result, output in zip(results, definition.outputs, strict=True):
        if output in DIMENSIONS:
            assert result.ndim == DIMENSIONS[output]
            assert result.numel() > 0
