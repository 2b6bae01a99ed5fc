"""One command per file. A rack: nothing is exported."""
