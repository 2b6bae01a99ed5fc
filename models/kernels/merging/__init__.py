"""Merges parts of several learners into one state: the rules over more rows than numpy can take. A rack."""
