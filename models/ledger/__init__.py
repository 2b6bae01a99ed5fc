"""Consumed records in; what was accepted, erased or held back, and how far each partition was read, out."""
