"""Vectors that several parts moved in, one out: each part's step, shrunk as if all had come one after another."""

from __future__ import annotations

import numpy as np

from models.arrays import Array
from models.kernels.merging.vector_steps import add_steps, take_over
from models.merging.touched import AllParts, Shared, Split
from models.state import Column


def is_one(column: Column) -> bool:
    """Whether the column is merged here."""
    return column.merge.rule == "adagrad" and bool(column.shape)


def merge(target: Array, column: Column, changes: AllParts, rows: Split, shared: Shared | None) -> None:
    """Merge a vector column, in place.

    Where the base has no step yet, the parts' vectors may have begun at different places (a new vector depends on its
    row, one of a variant on its kin): such a vector is the mean of theirs, weighed by what each has added to the sum.

    Args:
        target: The base's values, (n, k).
        column: The column.
        changes: Of all parts, to the table.
        rows: Its rows, told apart.
        shared: What several parts made of the column's AdaGrad sum; None where they share no row.
    """
    values = changes.columns[column.name]
    take_over(target, changes.rows, values, rows.alone)
    if shared is not None:
        totals, before = shared.values[column.merge.by], shared.base[column.merge.by]
        base = np.empty(column.shape, np.float32)
        add_steps(target, rows.rows, rows.starts, rows.order, values, totals, before, column.merge.number, base)


__all__ = ["is_one", "merge"]
