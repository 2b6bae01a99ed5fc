"""Work that is done once on the same topics and versions, a job per file. A rack: nothing is exported."""
