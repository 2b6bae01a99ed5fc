"""The id of a version in; the state it stands for out. Loaded by the API."""
