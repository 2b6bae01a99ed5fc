"""A history and the memories of the sources in; candidates out. First stage of a ranking."""
