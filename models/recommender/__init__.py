"""Batches of events in, changed rows out; a history in, a ranking out. Stages 2 to 4."""
