"""Pictures as images of the core: Pillow pictures, and their channels."""

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
"""First bytes of a PNG file."""
