"""Losses: weighted sums of terms, which are bound to one pyramid level at a time."""
