"""Pictures as images of the core: Pillow pictures, and their channels."""

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
"""First bytes of a PNG file."""
CUBE_SUFFIX = ".cube"
"""Suffix of files with a 3-D LUT; it is here so that the command line is checked without torch."""
