"""Contenders, each run in a process of its own so that none warms or disturbs another; each prints one JSON object."""
