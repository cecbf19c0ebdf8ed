"""Optimizers: how the image is changed at one pyramid level."""
