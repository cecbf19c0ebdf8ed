"""What is minimised, and what it becomes at one pyramid level."""
