"""Checks that decoded changes fit the declared tables, and drops what the schema does not declare. Stage 5."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from models.arrays import Array
from models.looking import Look, unhurried
from models.snapshot.chunks import Damaged, Part
from models.state import MODEL, Changes, Column, Schema, Table, TableChanges


class TooNew(Exception):
    """The version was written by newer code and is left alone.

    Args:
        found: Number of the version's schema.
        known: Newest number that this program knows.
    """

    def __init__(self, found: int, known: int) -> None:
        super().__init__(
            f"the stored version has schema {found}, this program knows up to {known}: "
            "start the newer program again, or name another namespace for this one"
        )
        self.found = found
        self.known = known


class Incompatible(Exception):
    """The bytes are sound but do not fit the declared tables: the configuration changed dimensions or widths.

    Args:
        what: What does not fit.
        stored: Its value in the version.
        declared: Its value in the configuration.
    """

    def __init__(self, what: str, stored: object, declared: object) -> None:
        super().__init__(
            f"the stored version has {what} {stored}, the configuration asks for {declared}: "
            "put the old value back, or use another namespace to start from an empty model"
        )


def check_layout(parts: Sequence[Part], schema: Schema) -> None:
    """Check that tables have the declared key space and width; Incompatible otherwise."""
    for part in parts:
        table = schema.tables.get(part.name) if part.kind == "table" else None
        if table and (part.keys, part.width) != (table.keys, table.width):
            raise Incompatible(f"rows of {part.name}", f"{part.width} a {part.keys}", f"{table.width} a {table.keys}")


def conform(changes: Changes, schema: Schema, counts: Mapping[str, int], look: Look = unhurried) -> Changes:
    """Keep what the schema declares, and check every row, reference and number.

    Args:
        changes: What the version carries.
        schema: The declared tables.
        counts: Rows handed out in each key space.
        look: Called after each table.

    Returns:
        Changes to declared tables only, with every row and reference inside the rows handed out and every number
        finite.

    Raises:
        Damaged: When a row, a reference or a number is out of bounds.
        Incompatible: When a column has another type or shape than declared.
    """
    capacity = {**counts, MODEL: 1}
    keys = {name: part for name, part in changes.keys.items() if name in schema.spaces}
    for name, part in keys.items():
        _within(f"keys {name}", part.rows, 0, capacity.get(name, 0))
        if part.free.dtype != np.int32 or part.free.ndim != 1:
            raise Damaged(f"keys {name}: free rows are {part.free.dtype}")
        _within(f"free rows of {name}", part.free, 0, capacity.get(name, 0))
    tables = {}
    for name, rows in changes.tables.items():
        if name in schema.tables:
            table = schema.tables[name]
            _within(name, rows.rows, 0, capacity.get(table.keys, 0) * table.width)
            tables[name] = TableChanges(rows.rows, dict(_columns(table, rows, capacity)))
            look()
    result = changes._replace(keys=keys, tables=tables)
    if changes.base:
        _check_keys(result, schema, capacity)
    bad = result.not_finite(look)
    if bad:
        raise Damaged(f"NaN or infinity in {', '.join(bad)}")
    return result


def _check_keys(changes: Changes, schema: Schema, capacity: Mapping[str, int]) -> None:
    """Check that a base brings the id of every row, which the rows of its tables need."""
    for name in sorted({schema.tables[table].keys for table in changes.tables} - {MODEL}):
        found = len(changes.keys[name].rows) if name in changes.keys else 0
        if found != capacity.get(name, 0):
            raise Damaged(f"keys {name}: {found} rows where {capacity.get(name, 0)} exist")


def _columns(table: Table, rows: TableChanges, capacity: Mapping[str, int]) -> Iterator[tuple[str, Array]]:
    for column in table.columns:
        values = rows.columns.get(column.name)
        if values is None:
            continue
        _check_column(table, column, values)
        if column.refers is not None:
            _within(f"{table.name}.{column.name}", values, -1, capacity.get(column.refers, 0))
        yield column.name, values


def _check_column(table: Table, column: Column, values: Array) -> None:
    stored, declared = (values.dtype.str, values.shape[1:]), (np.dtype(column.dtype).str, column.shape)
    if stored != declared:
        texts = [f"{kind} of shape {shape}" for kind, shape in (stored, declared)]
        raise Incompatible(f"{table.name}.{column.name} as", *texts)


def _within(what: str, rows: Array, low: int, high: int) -> None:
    if rows.size and (int(rows.min()) < low or int(rows.max()) >= high):
        raise Damaged(f"{what}: row {int(rows.max())} or {int(rows.min())} where {high} exist")
