"""The model's own columns of excerpts: many small ones, which travel and are merged as one vector of numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Final, NamedTuple

import numpy as np

from models.arrays import Array
from models.kernels.merging import number_rules
from models.state import MODEL, Column, Schema, State

RULES: Final = {
    "sum": number_rules.SUM,
    "settling": number_rules.SETTLING,
    "mean": number_rules.MEAN,
    "fading": number_rules.FADING,
}
"""Rules that a column of the vector can have, with their numbers in the kernel."""


class Layout(NamedTuple):
    """Where each column stands in the vector.

    Attributes:
        slices: By table and column.
        segments: (columns, 5) i64, and `numbers`, (columns,) f8, as the kernel has them.
        numbers: See segments.
        size: Of the vector.
    """

    slices: Mapping[tuple[str, str], slice]
    segments: Array
    numbers: Array
    size: int

    def read(self, state: State) -> Array:
        """The vector of what a state holds, (size,) f8: every type of the columns is exact in it."""
        found = np.empty(self.size)
        for (table, column), own in self.slices.items():
            found[own] = state.tables[table].columns[column].reshape(-1)
        return found

    def write(self, vector: Array, state: State) -> None:
        """Write what the vector holds into a state."""
        for (table, column), own in self.slices.items():
            state.tables[table].columns[column].reshape(-1)[:] = vector[own]

    def merge(self, base: Array, parts: Sequence[Array]) -> None:
        """Merge the vectors of several parts into the base, in place."""
        working = np.empty((2, len(parts)))
        number_rules.merge(base, np.stack(parts), self.segments, self.numbers, *working)


@cache
def layout(schema: Schema) -> Layout:
    """The columns of the model's own tables that are told often, but for the curvature, which is no number of a row."""
    slices, end = {}, 0
    for table, column, numbers in _columns(schema):
        slices[table, column.name] = slice(end, end + numbers)
        end += numbers
    segments = [
        (
            RULES[column.merge.rule],
            slices[table, column.name].start,
            slices[table, column.name].stop,
            slices[_named(column.merge.by, table)].start if column.merge.by else 0,
            column.dtype == "f4",
        )
        for table, column, _ in _columns(schema)
    ]
    paces = [column.merge.number for _, column, _ in _columns(schema)]
    order = np.argsort([rule == number_rules.SUM for rule, *_ in segments], kind="stable")
    return Layout(slices, np.array(segments, np.int64)[order], np.array(paces)[order], end)


def _columns(schema: Schema) -> Iterator[tuple[str, Column, int]]:
    """Tables and columns, with how many numbers each holds."""
    for table in schema.tables.values():
        for column in table.columns:
            if table.keys == MODEL and column.merge.often:
                yield table.name, column, table.width * int(np.prod(column.shape, dtype=np.int64))


def _named(by: str, table: str) -> tuple[str, str]:
    owner, _, column = by.rpartition(".")
    return owner or table, column


__all__ = ["RULES", "Layout", "layout"]
