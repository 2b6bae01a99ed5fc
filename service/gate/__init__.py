"""Pointers and evidence in; the serving pointer moved out. Stage 6."""
