"""The distance between two distributions on the line: value and gradient, sorted and binned."""
