"""How near do colours come to a reference, at what cost to the structure, and does a clip flicker?

    python -m benchmarks.looks                       everything: about a minute on one core
    python -m benchmarks.looks --methods gpdm        part of it; other rows stay
    python -m benchmarks.looks --report              the tables and the contact sheet alone

Twelve pairs of pictures of at most 256 pixels, and a clip of a static camera with sensor noise, before which a white
card comes in. The defaults of the options smoothing and edges were chosen with four of the pairs. Colour is the
held-out distance of single pixels to the reference; structure is the correlation of the luminance's gradients with
those of the picture as given. A method that is not installed is left out: G'MIC is the program gmic.

Writes looks.md and looks_sheet.jpg beside the rows. Seconds are of processor time.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from .measure import add_arguments, run
from .report import write_report


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", action="store_true", help="measure nothing")
    add_arguments(parser)
    options = parser.parse_args(arguments)
    if not options.report:
        run(options)
    write_report(options.rows, options.outputs)


if __name__ == "__main__":
    main()
