"""One-off work on the same topics, a program per file. A rack: nothing is exported."""
