"""Patches of an image as a linear map, and finding patches of one image in another."""
