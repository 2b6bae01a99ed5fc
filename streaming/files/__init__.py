"""Reads events and item facts from CSV and NDJSON files. Loads no model."""

from streaming.files.events import (
    NO_TYPE,
    SYNONYMS,
    Layout,
    Passed,
    RowRefused,
    Shown,
    columns_in,
    identity,
    read_events,
    read_items,
)
from streaming.files.hints import flags, type_for
from streaming.files.rows import Bad, FileError, RowFile

__all__ = [
    "NO_TYPE",
    "SYNONYMS",
    "Bad",
    "FileError",
    "Layout",
    "Passed",
    "RowFile",
    "RowRefused",
    "Shown",
    "columns_in",
    "flags",
    "identity",
    "read_events",
    "read_items",
    "type_for",
]
