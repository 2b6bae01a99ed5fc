"""Mutants: one-line defects that were put in on purpose, and the runner that shows which test notices each of them."""
