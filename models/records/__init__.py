"""Bytes of a record of any topic in; an event, item facts, an order, a slate record or a rejection out. Stage 1."""
