"""Tables of colours: known answers, and .cube files."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gpdm import CUBE_SUFFIX, GPDMError, Lut, decode_cube, encode_cube, match_look, prepare_match
from gpdm.cli.match_flags import CUBE_SUFFIX as SUFFIX_OF_COMMAND
from gpdm.looks.lut import fitted_changes
from library.problems import picture

WARM = """# made by hand
TITLE "Warm, \u00e4"
LUT_3D_SIZE 2
DOMAIN_MIN 0 0 0
DOMAIN_MAX 1.0 1.0 1.0

0.1 0 0
1 0 0
0 1 0
1 1 0
0 0 0.9
1 0 0.9
0 1 0.9
1 1 .9
"""


def colours(*values: float) -> Tensor:
    """A picture (1, 3, 1, 1) with a colour of red, green and blue from 0 to 1."""
    return torch.tensor(values, dtype=torch.float32)[None, :, None, None] * 2 - 1


def swapped(side: int = 5) -> Lut:
    """The table that swaps red and blue."""
    return Lut(Lut.identity(side).table.flip(-1))


def test_the_identity_changes_nothing() -> None:
    assert torch.allclose(Lut.identity(7).apply(picture()), picture(), atol=1e-6)


@pytest.mark.parametrize("values", [(1, 0, 0), (0.3, 0.55, 0.9), (0.01, 0.99, 0.5)])
def test_axes_are_red_green_and_blue(values: tuple[float, float, float]) -> None:
    assert torch.allclose(swapped().apply(colours(*values)), colours(*values[::-1]), atol=1e-6)


def test_values_between_entries_are_interpolated_in_all_three_axes() -> None:
    table = torch.rand(2, 2, 2, 3, generator=torch.Generator().manual_seed(0))
    middle = Lut(table).apply(colours(0.5, 0.5, 0.5))
    assert torch.allclose((middle[0, :, 0, 0] + 1) / 2, table.mean((0, 1, 2)), atol=1e-6)


def test_what_is_outside_the_domain_has_the_colour_of_its_end() -> None:
    lut = Lut(Lut.identity(3).table, (0.2, 0.2, 0.2), (0.6, 0.6, 0.6))
    assert torch.allclose(lut.apply(colours(0.0, 0.4, 1.0)), colours(0.0, 0.5, 1.0), atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_picture_keeps_its_type(dtype: torch.dtype) -> None:
    result = swapped().apply(picture().to(dtype))
    assert result.dtype == dtype
    assert torch.allclose(result.float(), picture().flip(1), atol=0.02)


def test_a_large_picture_is_changed_in_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = swapped().apply(picture())
    monkeypatch.setattr("gpdm.looks.lut.STRIP", 300)
    assert torch.equal(swapped().apply(picture()), expected)


@pytest.mark.parametrize(("lut", "is_grey"), [(Lut.identity(), True), (swapped(), True)])
def test_grey_stays_grey(lut: Lut, is_grey: bool) -> None:
    assert lut.is_grey == is_grey
    grey = picture(channels=1)
    assert torch.allclose(lut.apply(grey), grey, atol=1e-6)


def test_a_grey_picture_becomes_rgb_with_a_lut_of_colours() -> None:
    prepared = prepare_match(decode_cube(WARM.encode(), "warm.cube"), picture(channels=1))
    assert prepared.given.shape[1] == 3
    assert prepared.note == "image is grey and the LUT has colours; the outputs are RGB"
    assert prepare_match(swapped(), picture(channels=1)).given.shape[1] == 1


@pytest.mark.parametrize("change", [(0.2, -0.1, 0.05), (0.0, 0.0, 0.0)])
def test_an_equal_change_of_some_colours_is_the_change_of_all(change: tuple[float, float, float]) -> None:
    few = torch.tensor([[0.2, 0.3, 0.4], [0.8, 0.1, 0.5], [0.81, 0.12, 0.5]])
    table = fitted_changes(few, torch.tensor([change]).expand(3, 3), torch.ones(3, 1))
    assert torch.allclose(table, torch.tensor(change).expand_as(table), atol=0.01)


def test_a_linear_change_is_fitted() -> None:
    given = torch.rand(20000, 3, generator=torch.Generator().manual_seed(0))
    table = fitted_changes(given, 0.3 * given.flip(1) - 0.1, torch.ones(20000, 1))
    expected = 0.3 * Lut.identity().table.flip(-1) - 0.1
    assert (table - expected)[4:-4, 4:-4, 4:-4].abs().max() < 0.03


def test_colours_without_weight_do_not_count() -> None:
    given = torch.rand(1000, 3, generator=torch.Generator().manual_seed(0))
    weight = (torch.arange(1000) < 500).float()[:, None]
    changes = torch.where(weight > 0, 0.1, 5.0).expand(-1, 3)
    assert fitted_changes(given, changes, weight).max() < 0.12


def test_a_file_is_read() -> None:
    lut = decode_cube(WARM.encode(), "warm.cube")
    assert (lut.title, lut.low, lut.high) == ("Warm, \u00e4", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    assert lut.table.shape == (2, 2, 2, 3) and lut.table.dtype == torch.float32
    assert torch.allclose(lut.apply(colours(0, 0, 0)), colours(0.1, 0, 0))
    assert torch.allclose(lut.apply(colours(1, 0, 1)), colours(1, 0, 0.9), atol=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        WARM.replace("\n", "\r\n"),
        "\ufeff" + WARM,
        WARM.replace("DOMAIN_MIN 0 0 0\nDOMAIN_MAX 1.0 1.0 1.0", "LUT_3D_INPUT_RANGE 0.0 1.0"),
        WARM.replace("DOMAIN_MIN 0 0 0\n", ""),
        WARM.replace("\n1 1 0\n", "\n  1.0e0\t1 0  \n"),
    ],
    ids=["CRLF", "BOM", "Resolve", "no domain", "spaces"],
)
def test_files_of_other_programs_are_read(text: str) -> None:
    assert torch.equal(decode_cube(text.encode(), "a").table, decode_cube(WARM.encode(), "a").table)


def test_what_is_written_is_read_again() -> None:
    lut = match_look(picture(seed=1), picture()).lut
    data = encode_cube(lut)
    again = decode_cube(data, "a")
    assert (again.table - lut.table).abs().max() < 1e-6
    assert data.startswith(b'TITLE "GPDM Match Look"\nLUT_3D_SIZE 33\nDOMAIN_MIN 0 0 0\nDOMAIN_MAX 1 1 1\n')
    assert len(data.splitlines()) == 4 + 33**3
    assert encode_cube(again) == data


def test_a_title_stays_on_its_line() -> None:
    lut = Lut(Lut.identity(2).table, title='two "lines"\nLUT_3D_SIZE 9')
    assert decode_cube(encode_cube(lut), "a").title == "two linesLUT_3D_SIZE 9"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("LUT_3D_SIZE 2\n", "", "it has no line LUT_3D_SIZE"),
        ("LUT_3D_SIZE 2", "LUT_1D_SIZE 8", r"line 3: it holds a 1-D LUT \(LUT_1D_SIZE\).*only 3-D LUTs"),
        ("LUT_3D_SIZE 2", "LUT_3D_SIZE 3", "it has 8 colours, and a table with LUT_3D_SIZE 3 has 27: it is cut off"),
        ("1 1 .9\n", "1 1 .9\n1 1 1\n", "it has 9 colours.*it has lines too many"),
        ("LUT_3D_SIZE 2", "LUT_3D_SIZE 2.5", "LUT_3D_SIZE = 2.5 is not allowed: it must be a whole number from 2"),
        ("LUT_3D_SIZE 2", "LUT_3D_SIZE 99999", "it must be a whole number from 2 to 256"),
        ("LUT_3D_SIZE 2", "LUT_3D_SIZE", r"line 3: 'LUT_3D_SIZE' must have 1 number"),
        ("LUT_3D_SIZE 2", "LUT_3D_SIZE 2\nLUT_3D_SIZE 2", "line 4: LUT_3D_SIZE stands there twice"),
        ("LUT_3D_SIZE 2", "LUT_3D_SIZE 2\nLUT_OUT_VIDEO_RANGE", "line 4: 'LUT_OUT_VIDEO_RANGE' is not known"),
        ("DOMAIN_MIN 0 0 0", "DOMAIN_MIN 0 2 0", "DOMAIN_MIN 0 2 0 must be below DOMAIN_MAX 1 1 1"),
        ("DOMAIN_MIN 0 0 0", "DOMAIN_MIN 0 0", "must have 3 number"),
        ("DOMAIN_MIN 0 0 0", "DOMAIN_MIN 0 0 zero", "'zero' in the domain is no number"),
        ("0 1 0\n", "0 1\n", r"line 9: '0 1' is no colour; it must be three numbers"),
        ("0 1 0\n", "0 1 0,5\n", r"line 9: '0 1 0,5' is no colour"),
        ("0 1 0\n", "0 nan 0\n", r"line 9: '0 nan 0' is no colour"),
        ("0 1 0\n", "0 1e99 0\n", r"line 9: '0 1e99 0' is no colour"),
    ],
)
def test_a_damaged_file_is_one_clear_line(old: str, new: str, message: str) -> None:
    assert WARM.count(old) >= 1
    with pytest.raises(GPDMError, match=message) as raised:
        decode_cube(WARM.replace(old, new, 1).encode(), "warm.cube")
    assert str(raised.value).startswith("warm.cube: ") and "\n" not in str(raised.value)


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n\0\0", b"\xff\xfe\0\0" * 9, b"0 0 0\n" * 8])
def test_what_is_no_cube_file_is_refused(data: bytes) -> None:
    with pytest.raises(GPDMError, match=r"a\.cube: "):
        decode_cube(data, "a.cube")


def test_the_command_knows_the_suffix() -> None:
    assert SUFFIX_OF_COMMAND == CUBE_SUFFIX
