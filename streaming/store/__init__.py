"""The one door to Redis: commands, scripts, keys, leases, leadership, errors."""
