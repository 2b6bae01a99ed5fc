"""Scored candidates and a request's wishes in, what is shown out: the rules of a slate, one idea a file. Stage 7."""
