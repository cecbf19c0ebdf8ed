"""Patch distributions of pictures as data that can be saved, without the pictures."""

DISTRIBUTION_SUFFIX = ".safetensors"
"""Suffix of the files; it is here so that the command line is checked without torch."""
