"""A file and the environment in; one frozen tree of settings out."""
