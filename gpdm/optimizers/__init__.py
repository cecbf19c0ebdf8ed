"""How one pyramid level is solved."""
