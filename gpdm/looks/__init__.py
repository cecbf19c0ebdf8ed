"""Every match by its name, as a record and as a function.

A new match is a record in a file here and two entries in this file.
"""

from ..pictures import CUBE_SUFFIX
from . import grain, look, texture
from .base import Match, Matched
from .cube import decode_cube, encode_cube
from .look import LookOptions
from .lut import Lut
from .pictures import PreparedMatch, prepare_match
from .run import as_match_function, run_match

MATCHES = {match.name: match for match in (*look.MATCHES, *grain.MATCHES, *texture.MATCHES)}
"""Every match by its name."""

match_look = as_match_function(MATCHES["match_look"])
match_grain = as_match_function(MATCHES["match_grain"])
match_texture = as_match_function(MATCHES["match_texture"])

__all__ = [
    "CUBE_SUFFIX",
    "MATCHES",
    "LookOptions",
    "Lut",
    "Match",
    "Matched",
    "PreparedMatch",
    "decode_cube",
    "encode_cube",
    "match_grain",
    "match_look",
    "match_texture",
    "prepare_match",
    "run_match",
]
