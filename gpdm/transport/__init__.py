"""Wasserstein distances in one dimension: value and gradient, sorted and binned."""
