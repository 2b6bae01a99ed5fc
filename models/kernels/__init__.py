"""Compiled functions. The two entry points are learning.py and serving.py. A rack: nothing is exported."""
