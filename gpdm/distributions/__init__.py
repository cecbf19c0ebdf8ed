"""Patch distributions of pictures as data that can be saved, without the pictures."""
