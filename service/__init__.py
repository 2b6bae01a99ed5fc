"""Versions and histories from Redis in, recommendations over HTTP out; and the command line."""
