"""Reads item facts that can be used, from a file about items or from a row about an event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.records import NOT_UTF8, ItemFacts, Rejection, Unusable, usable_facts
from streaming.files.survey import Survey

NOT_UTF8_LINE = "the line is not UTF-8"


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
    found = usable_facts(
        item_id, document, lambda field: survey.leave_out(f"item facts: {field}", line, document[field])
    )
    return str(found) if isinstance(found, Rejection) else found


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
