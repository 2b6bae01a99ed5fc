"""One resource per file. A rack: nothing is exported."""
