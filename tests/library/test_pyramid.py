"""The pyramid: sizes and number of levels, and the errors for unusable ones."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpdm import OptionError, PyramidSchedule, SWDLoss
from gpdm.losses.base import check_loss


@given(
    height=st.integers(8, 1200),
    width=st.integers(8, 1200),
    coarse=st.integers(7, 300),
    factor=st.floats(0.3, 0.97),
    fine=st.floats(0.3, 0.97),
)
@settings(max_examples=150, deadline=None)
def test_sizes_and_ratios_of_levels(height: int, width: int, coarse: int, factor: float, fine: float) -> None:
    schedule = PyramidSchedule(coarse_dim=coarse, pyr_factor=factor, fine_factor=fine)
    levels = schedule.levels([(height, width)], (2 * height, width))
    assert levels[-1].size == (2 * height, width)
    assert levels[-1].reference_sizes == ((height, width),)
    assert min(levels[0].reference_sizes[0]) == min(coarse, height, width)
    assert [level.index for level in levels] == list(range(len(levels)))
    for coarser, finer in itertools.pairwise(levels):
        limit = factor if coarser.scale * min(height, width) < 64 * (1 - 1e-9) else fine
        assert limit - 1e-6 <= coarser.scale / finer.scale < 1


@pytest.mark.parametrize(
    ("fine", "factor", "coarse", "count"), [(100, 0.5, 25, 3), (256, 0.75, 108, 4), (100, 0.8, 64, 3)]
)
def test_a_power_of_the_factor_gets_no_extra_level(fine: int, factor: float, coarse: int, count: int) -> None:
    schedule = PyramidSchedule(coarse_dim=coarse, pyr_factor=factor, fine_factor=factor)
    assert len(schedule.levels([(fine, fine)], (fine, fine))) == count


@pytest.mark.parametrize(
    ("height", "fine_factor", "heights"),
    [
        (256, 0.25, [16, 32, 64, 256]),
        (256, 0.5, [16, 32, 64, 128, 256]),
        (60, 0.1, [16, 31, 60]),
        (100, 0.5, [16, 29, 54, 100]),  # equal factors space all levels evenly, as in the paper
    ],
)
def test_levels_are_spaced_differently_below_and_above_64_pixels(
    height: int, fine_factor: float, heights: list[int]
) -> None:
    schedule = PyramidSchedule(coarse_dim=16, pyr_factor=0.5, fine_factor=fine_factor)
    assert [level.size[0] for level in schedule.levels([(height, 400)], (height, 400))] == heights


@pytest.mark.parametrize("reference", [(188, 250), (250, 188)], ids=["landscape", "portrait"])
def test_reference_and_output_have_the_same_scale_in_both_orientations(reference: tuple[int, int]) -> None:
    """The reference implementation scales a portrait reference by its width and the output by its height (defect 6)."""
    for level in PyramidSchedule().levels([reference], reference):
        assert level.size == level.reference_sizes[0]
    coarsest = PyramidSchedule().levels([reference], reference)[0]
    assert min(coarsest.size) == 21  # the reference implementation: 19 (defect 12)


def test_references_of_different_sizes_have_the_same_scale() -> None:
    levels = PyramidSchedule(coarse_dim=20).levels([(100, 200), (40, 50)], (100, 100))
    assert levels[0].reference_sizes == ((50, 100), (20, 25))
    assert levels[0].size == (50, 50)


@pytest.mark.parametrize("factor", [1.0, 0.0, float("nan"), "0.5", True])
def test_a_factor_out_of_range_is_refused(factor: object) -> None:
    """With a factor of 1 the reference implementation never ends (defect 18)."""
    with pytest.raises(OptionError, match="pyr_factor"):
        PyramidSchedule(pyr_factor=factor)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("coarse_dim", "size", "patch_size", "coarsest"),
    [
        (21, (100, 300), 7, (21, 63)),  # holds a patch, and stays
        (21, (20, 400), 7, (7, 140)),
        (21, (400, 20), 5, (100, 5)),
        (21, (20, 400), 1, (4, 84)),
        (21, (7, 50), 7, (7, 50)),
        (21, (5, 50), 7, (5, 50)),  # a patch fits nowhere, which `check_level` refuses
        (5, (20, 400), 7, (1, 20)),  # coarse_dim is smaller than the patch: an error, not another coarse_dim
    ],
)
def test_the_coarsest_level_rises_until_the_output_holds_a_patch(
    coarse_dim: int, size: tuple[int, int], patch_size: int, coarsest: tuple[int, int]
) -> None:
    levels = PyramidSchedule(coarse_dim=coarse_dim).levels([(100, 120)], size, patch_size)
    assert levels[0].size == coarsest
    assert levels[-1].size == size


def test_a_level_smaller_than_the_patch_is_refused_with_a_hint() -> None:
    levels = PyramidSchedule(coarse_dim=10).levels([(40, 40)], (20, 40))
    with pytest.raises(OptionError, match="patch_size 5 or less, or a coarse_dim of at least 14"):
        check_loss(SWDLoss(), levels)
    check_loss(SWDLoss(), PyramidSchedule(coarse_dim=14).levels([(40, 40)], (20, 40)))
    check_loss(SWDLoss(patch_size=5), levels)
    with pytest.raises(OptionError, match="larger picture"):
        check_loss(SWDLoss(), PyramidSchedule().levels([(6, 6)], (6, 6)))
    levels = PyramidSchedule().levels([(24, 32)], (5, 4))
    with pytest.raises(
        OptionError, match=r"^a patch of 7x7 does not fit pyramid level 0 \(output 4x4, .*patch_size 4 or"
    ):
        check_loss(SWDLoss(), levels)
    check_loss(SWDLoss(patch_size=4), levels)
    with pytest.raises(OptionError, match=r"patch_size 4 or less, or a larger output$"):
        check_loss(SWDLoss(), levels)
