"""Judging results. Nothing here is ever minimised."""
