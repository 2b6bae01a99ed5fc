"""In: a file about items, or what a row about an event says of its item. Out: the item facts that can be used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.records import NOT_UTF8, EventRules, ItemFacts, Rejection, Unusable, decode_item, written
from streaming.files.columns import Columns
from streaming.files.layout import ITEM_FIELDS, Layout
from streaming.files.rows import RowFile
from streaming.files.survey import RowRefused, Survey

NOT_UTF8_LINE = "the line is not UTF-8"


def read_items(
    path: Path, columns: Mapping[str, str] | None = None, layout: Layout | None = None, survey: Survey | None = None
) -> tuple[dict[str, ItemFacts], list[RowRefused]]:
    """Read a file about items.

    Args:
        path: The file.
        columns: Our field, by column of the file, where their names differ.
        layout: Decimal separator and encoding.
        survey: Facts that cannot be used are counted there.

    Returns:
        Facts by item id, and the lines that cannot be used.

    Raises:
        FileError: The file as a whole cannot be used.
    """
    how = Layout(
        columns=dict(columns or {}),
        decimal=layout.decimal if layout else None,
        encoding=layout.encoding if layout else None,
    )
    survey = survey if survey is not None else Survey(str(path))
    found: dict[str, ItemFacts] = {}
    with RowFile(path, how.encoding) as rows:
        reader = Columns(rows, how, EventRules(), survey, ("item_id",))
        for batch in rows.batches():
            for bad in batch.bad:
                survey.refuse(*bad)
            for place, line in enumerate(batch.lines):
                ours = reader.facts_at(batch, place, ("item_id", *ITEM_FIELDS))
                item_id = ours.get("item_id")
                if not isinstance(item_id, str):
                    survey.refuse(line, str(item_id.remark) if isinstance(item_id, Unusable) else "no item_id")
                    continue
                facts = facts_of(line, item_id, ours, ITEM_FIELDS, survey)
                if isinstance(facts, str):
                    survey.refuse(line, facts)
                else:
                    found[item_id] = facts
    return found, survey.refusals


def facts_of(
    line: int, item_id: str, fields: Mapping[str, Any], wanted: tuple[str, ...], survey: Survey
) -> ItemFacts | str:
    """The facts that can be used; the others are counted. The reason when the item itself cannot be used."""
    document: dict[str, Any] = {}
    for field in wanted:
        value = fields.get(field)
        if value is None:
            continue
        if isinstance(value, Unusable) or not_utf8(value):
            survey.leave_out(f"item facts: {field}", line, NOT_UTF8 if not_utf8(value) else value.found)
            continue
        document[field] = value
    if not_utf8(item_id):
        return NOT_UTF8_LINE
    found = decode_item(item_id.encode(), written(document))
    if isinstance(found, ItemFacts):
        return found
    usable: dict[str, Any] = {}
    for field, value in document.items():
        alone = decode_item(item_id.encode(), written({field: value}))
        if isinstance(alone, ItemFacts):
            usable[field] = getattr(alone, field)
        elif isinstance(alone, Rejection) and alone.path == "key":
            return str(alone)
        else:
            survey.leave_out(f"item facts: {field}", line, value)
    return ItemFacts(**usable)


def not_utf8(value: Any) -> bool:
    """Whether text, or text in a list, came from bytes that are not UTF-8."""
    if isinstance(value, list):
        return any(map(not_utf8, value))
    if not isinstance(value, str) or value.isascii():
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return True
    return False
