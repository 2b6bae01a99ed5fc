"""Reads events and item facts from CSV, JSON and Parquet files. Loads no model."""

from streaming.files.catalogues import (
    Listed,
    item_rows,
    items_advice,
    items_document,
    items_report,
    look,
    read_items,
)
from streaming.files.events import Outcome, Passed, Shown, columns_in, identity, read_events
from streaming.files.fill import Fill
from streaming.files.hints import flags, or_day_first, time_for, type_for
from streaming.files.layout import NO_TYPE, Layout, on_mapping, with_preset
from streaming.files.mapping_trial import Sample, SampleRows, surveyed, tried
from streaming.files.report import advice, as_document, on_missing, report
from streaming.files.rows import Bad, Row, RowFile, raw_records
from streaming.files.source import FileError
from streaming.files.survey import RowRefused, Survey
from streaming.mappings import item_presets, presets

__all__ = [
    "NO_TYPE",
    "Bad",
    "FileError",
    "Fill",
    "Layout",
    "Listed",
    "Outcome",
    "Passed",
    "Row",
    "RowFile",
    "RowRefused",
    "Sample",
    "SampleRows",
    "Shown",
    "Survey",
    "advice",
    "as_document",
    "columns_in",
    "flags",
    "identity",
    "item_presets",
    "item_rows",
    "items_advice",
    "items_document",
    "items_report",
    "look",
    "on_mapping",
    "on_missing",
    "or_day_first",
    "presets",
    "raw_records",
    "read_events",
    "read_items",
    "report",
    "surveyed",
    "time_for",
    "tried",
    "type_for",
    "with_preset",
]
