"""What runs in a process of its own so that no contender warms or disturbs another; each prints one JSON object."""
