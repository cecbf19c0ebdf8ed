"""The fast ways to do the work of a step, their oracle, and the choice between them."""
