"""Clients' events in; records in topics out. The POST side."""
