"""Evaluation of results, by metrics that no loss contains."""
