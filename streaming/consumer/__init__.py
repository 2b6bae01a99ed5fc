"""Topics in; records by offset, by range, by time or as a sample out. Never loaded by the API. Stage 0."""
