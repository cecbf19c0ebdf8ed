"""How well are holes filled and pictures made tileable, beside G'MIC, OpenCV and the true picture?

    python -m benchmarks.edits                                   everything: some ten minutes on one core
    python -m benchmarks.edits --cases ellipse --methods gpdm    part of it; other rows stay
    python -m benchmarks.edits --report                          the table and the contact sheet alone

Twelve pictures of at most 256 pixels, each with three kinds of hole: an ellipse over an object or an edge, thin lines,
and a rectangle that touches the border; a picture of 512 x 512 with two sizes of hole, for the time; and pictures that
are made tileable. Every method is given the picture with the hole painted magenta, and fills the same pixels. A method
that is not installed is left out: G'MIC is the program gmic, OpenCV the package opencv-contrib-python-headless.

Writes edits.md and edits_sheet.jpg beside the rows. Measures of a hole are medians of three seeds, where a method has
some; the sheet shows the first. Seconds are of processor time, with that of programs that are run.
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
