"""The terminal face: one command per task, and `gpdm run` for workflow files."""
