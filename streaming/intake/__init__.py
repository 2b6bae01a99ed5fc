"""Polled records in; prepared batches and dead letters out. Stage 1."""
