"""Vectors that several parts moved in, one out: each part's step, shrunk as if all had come one after another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.arrays import Array
from models.kernels.merging.vector_steps import add_steps
from models.merging.column_rules import grown, shrunk
from models.merging.touched import Shared, Split
from models.state import Column, TableChanges


def is_one(column: Column) -> bool:
    """Whether the column is merged here."""
    return column.merge.rule == "adagrad" and bool(column.shape)


def merged(rows: Split, shared: Shared, column: Column, base: Array, changes: Sequence[TableChanges]) -> Array:
    """What the rows of a vector column become, (g, k).

    Where the base has no step yet, the parts' vectors may have begun at different places (a new vector depends on its
    row, one of a variant on its kin): such a vector is the mean of theirs, weighed by what each has added to the sum.

    Args:
        rows: The rows that several parts changed.
        shared: What they made of the column's AdaGrad sum.
        column: The column.
        base: Its values before, (rows, k).
        changes: Of each part, to the table.
    """
    before, more = shared.base[column.merge.by].astype(np.float64), grown(shared, column)
    scales = shrunk(shared, column)
    held = base[rows.rows]
    new = before == 0
    if new.any():
        held[new] = 0.0
        share = more / shared.spread(shared.total(more))
        scales = np.where(shared.spread(new), share, scales)
    found = held.copy()
    scales = scales.astype(np.float32)
    for part, places in zip(changes, rows.places, strict=True):
        if len(places.held):
            values = part.columns[column.name]
            add_steps(found, held, values, places.held, places.groups, scales[places.values])
    return found


__all__ = ["is_one", "merged"]
