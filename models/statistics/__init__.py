"""Paired numbers in; conclusions with bounds out. Pure numpy."""
