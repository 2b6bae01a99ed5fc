"""A file about items in; facts and attributes of each, and the report that `sluicegate items` begins with, out."""

from streaming.files.catalogues.item_columns import Named, look
from streaming.files.catalogues.item_rows import Listed, item_rows, read_items
from streaming.files.catalogues.items_report import items_advice, items_document, items_report

__all__ = [
    "Listed",
    "Named",
    "item_rows",
    "items_advice",
    "items_document",
    "items_report",
    "look",
    "read_items",
]
