"""Scored candidates and the wishes of a request in; the page out. Stage 7."""
