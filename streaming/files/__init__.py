"""CSV and NDJSON in; events out. Loads no model."""
