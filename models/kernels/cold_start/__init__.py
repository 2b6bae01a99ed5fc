"""Items that nobody has touched in; candidates scored next to the touched ones out."""
