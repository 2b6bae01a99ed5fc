"""Reads the facts and attributes of each item from a file, in the order of the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path as FilePath
from typing import Any, Final

import msgspec
import xxhash

from models.records import (
    MISSING,
    Attributes,
    EventRules,
    ItemFacts,
    Path,
    Unusable,
    checked_attributes,
)
from models.structs import Prepared
from streaming.files.catalogues.item_columns import ITEM_NAMES, Named, look, value_of
from streaming.files.columns import Columns
from streaming.files.fill import Fill
from streaming.files.item_facts import facts_of
from streaming.files.layout import ITEM_FIELDS, Layout
from streaming.files.rows import Batch, RowFile
from streaming.files.survey import RowRefused, Survey

_NOTHING: Final = ItemFacts()


class Listed(msgspec.Struct, metaclass=Prepared, frozen=True, gc=False):
    """An item of the file."""

    line: int
    item_id: str
    facts: ItemFacts


def item_rows(rows: RowFile, how: Named, survey: Survey) -> Iterator[Listed | RowRefused]:
    """Read every row as an item or a refusal, but those that are skipped.

    Args:
        rows: The open file.
        how: Which of its columns are what, from `look`.
        survey: Everything that is found is counted there.

    Raises:
        FileError: The file breaks off.
    """
    reading = _Reading(rows, how, survey)
    for batch in map(Fill(how.layout.fill, survey.filled).batch, rows.batches()):
        survey.rows += len(batch.lines) + len(batch.bad)
        for bad in batch.bad:
            yield survey.refuse(*bad)
        skipped = reading.skipped(batch)
        for place in range(len(batch.lines)):
            if place not in skipped:
                yield reading.outcome(batch, place)


def read_items(
    path: FilePath, columns: Mapping[str, str] | None = None, layout: Layout | None = None, survey: Survey | None = None
) -> tuple[dict[str, ItemFacts], list[RowRefused]]:
    """Read a whole file about items.

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
    read = look(path, how)
    with RowFile(path, how.encoding) as rows:
        for outcome in item_rows(rows, read, survey):
            if isinstance(outcome, Listed):
                found[outcome.item_id] = outcome.facts
    return found, survey.refusals


class _Reading:
    def __init__(self, rows: RowFile, how: Named, survey: Survey) -> None:
        self._reader = Columns(rows, how.layout, EventRules(), survey, ("item_id",))
        self._survey, self._kinds = survey, how.kinds
        self._paths = {name: Path(text) for name, text in how.attributes.items()}
        self._seen: set[int] = set()
        survey.fields = {field: text for field, text in survey.fields.items() if field in ITEM_NAMES}
        survey.unused = ()

    def skipped(self, batch: Batch) -> dict[int, str]:
        """Which rows are left out for what a field of theirs says, by place, and why."""
        found = self._reader.skipped(batch, range(len(batch.lines)), None)
        self._survey.passed += len(found)
        self._survey.skipped.update(found.values())
        return found

    def outcome(self, batch: Batch, place: int) -> Listed | RowRefused:
        """What became of one row."""
        line, survey = batch.lines[place], self._survey
        ours = self._reader.facts_at(batch, place, ITEM_NAMES)
        item_id = ours.get("item_id")
        if isinstance(item_id, Unusable):
            survey.notes.add("item_id", item_id.remark, item_id.found)
        if not isinstance(item_id, str):
            return survey.refuse(line, item_id.remark if isinstance(item_id, Unusable) else "no item_id")
        facts = facts_of(line, item_id, ours, ITEM_FIELDS, survey)
        if isinstance(facts, str):
            return survey.refuse(line, facts)
        attributes = self._attributes(batch, place, line)
        if attributes:
            facts = msgspec.structs.replace(facts, attributes=attributes)
        self._count(line, item_id, facts)
        return Listed(line, item_id, facts)

    def _attributes(self, batch: Batch, place: int, line: int) -> Attributes | None:
        sent: dict[str, Any] = {}
        document = batch.documents[place] if batch.columns is None else None
        if isinstance(document, dict) and isinstance(own := document.get("attributes"), dict):
            sent |= own
        for name, path in self._paths.items():
            top = path.name if batch.columns is None else _column(path, batch.columns)
            if batch.columns is not None and top is not None:
                value = batch.columns[top][place] if top in batch.columns else None
            else:
                found = path.find(document if document is not None else _row(batch, place))
                value = None if found is MISSING else found
            if value is not None and name not in sent:
                sent[name] = value_of(self._kinds.get(top or "", ""), _plain(value))
        if not sent:
            return None
        kept, left_out = checked_attributes(sent)
        for name in left_out:
            self._survey.leave_out(f"attributes: {name}", line, sent.get(name))
        return kept

    def _count(self, line: int, item_id: str, facts: ItemFacts) -> None:
        survey = self._survey
        name = xxhash.xxh3_64_intdigest(item_id.encode())
        if name in self._seen:
            survey.repeated += 1
            return
        self._seen.add(name)
        survey.items += 1
        survey.facts.update(each for each in ITEM_FIELDS if getattr(facts, each) != getattr(_NOTHING, each))
        if facts.attributes:
            survey.attributes.update(facts.attribute_values().keys())
        if not survey.sample:
            survey.sample = {"line": line, "item_id": item_id, "facts": facts}


def _column(path: Path, columns: Mapping[str, Any]) -> str | None:
    """The one column that a path means, of which the kind of its cells is known; None for several, or a part of one."""
    names = path.among(columns)
    return names[0] if names is not None and len(names) == 1 else path.name


def _plain(value: Any) -> Any:
    """A value of a Parquet file as JSON would have it."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value


def _row(batch: Batch, place: int) -> dict[str, Any]:
    assert batch.columns is not None
    return {name: column[place] for name, column in batch.columns.items()}


__all__ = ["Listed", "item_rows", "read_items"]
