"""Patches: random filters, their projection as a linear map, and nearest-patch search."""
