"""Tasks: settings of each, and the little that is special about them. One file for each family of tasks."""
