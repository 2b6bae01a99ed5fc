"""Streams of events that tests feed: made-up shops, traffic, adversaries."""
