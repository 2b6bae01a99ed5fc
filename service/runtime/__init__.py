"""Tools of one process that know nothing of recommendation."""
