"""State and progress in; the next version in Redis out. Never loaded by the API. Stage 5."""
