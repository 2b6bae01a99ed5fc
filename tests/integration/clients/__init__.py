"""Clients against a real service."""
