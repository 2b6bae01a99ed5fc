"""Row numbers and values of an example's features in, standardised values and finite checks out.

`Rows` is the state of a regressor, a row per feature; `Work` is scratch for one example. Numeric rows are standardised
by the running mean and variance of the values learned so far (Welford, Technometrics 1962).
"""

import math
from typing import Any, NamedTuple

import numpy as np

from models.dimensions import CLIP
from models.kernels.core.compile import kernel, prefetch
from models.kernels.core.hashing import mix

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


WEIGHT, STAMP, REST = 0, 1, 2
"""Columns of `Rows.table`: the weight, the number of the last example that touched the row (0 for never), then the
model's own: the factors of the machine, or how much of the L1 penalty a weight of the linear regressor has paid."""

CATEGORY = -1.0
"""In place of the count of values in `Rows.moments`: the row is a category and is not standardised."""


class Rows(NamedTuple):
    """The state of each feature. A row is one stretch of memory: a feature costs one miss of the cache."""

    table: Any  # (rows, 2 + m) f64
    memory: Any  # (rows, n) f64 of the optimizers
    moments: Any  # (rows, 3) f64: values learned, their mean, the sum of squares about it; (0, 3) without scaling


class Whole(NamedTuple):
    """The state of the model as a whole."""

    numbers: Any  # (2,) f64: intercept, accumulated L1 penalty
    counts: Any  # (2,) i64: examples learned, examples refused


class Work(NamedTuple):
    """Scratch for one example of up to `len(rows)` features."""

    rows: Any  # (n,) i64
    values: Any  # (2, n) f64: as given, as used
    vectors: Any  # (3, columns of a row) f64


@kernel
def bucket(field, number, rows):
    """The row of an integer in a field, by hashing (Weinberger et al., ICML 2009). `rows` is a power of two."""
    return np.int64(mix(np.uint64(field + 1) * _GOLDEN + np.uint64(number)) & np.uint64(rows - 1))


@kernel
def fill(work, entries, values, start, stop):
    """Copy one example's features to the scratch, without those that have no row; returns how many."""
    count = 0
    for at in range(start, stop):
        if entries[at] >= 0:
            work.rows[count] = entries[at]
            work.values[0, count] = values[at]
            count += 1
    return count


@kernel
def fill_fields(rows, work, fields, values, at):
    """Copy one example of integer fields (n, m) to the scratch. values: (n, m), or (0, m) if all are 1."""
    for field in range(fields.shape[1]):
        work.rows[field] = bucket(field, fields[at, field], rows.table.shape[0])
        work.values[0, field] = values[at, field] if values.shape[0] else 1.0
    return fields.shape[1]


@kernel
def foresee(rows, fields, at):
    """Prefetch the rows of example `at`, if there is one, while the one before it is learned."""
    if at < fields.shape[0]:
        last = rows.table.shape[1] - 1
        for field in range(fields.shape[1]):
            row = bucket(field, fields[at, field], rows.table.shape[0])
            prefetch(rows.table, row, 0)
            prefetch(rows.table, row, last)


@kernel
def drop_unseen(rows, work, count):
    """Leave out rows that were never learned; returns how many features are left."""
    kept = 0
    for at in range(count):
        if rows.table[work.rows[at], STAMP] > 0:
            work.rows[kept], work.values[0, kept] = work.rows[at], work.values[0, at]
            kept += 1
    return kept


@kernel
def standardise(rows, work, count):
    """Standardise values by the present moments; a value that is not finite counts as absent."""
    for at in range(count):
        value, row = work.values[0, at], work.rows[at]
        if not math.isfinite(value):
            value = 0.0
        elif rows.moments.shape[0] and rows.moments[row, 0] != CATEGORY:
            value = _standard(value, rows.moments[row, 0], rows.moments[row, 1], rows.moments[row, 2])
        work.values[1, at] = value


@kernel
def standardise_next(rows, work, count):
    """Standardise values by the moments after this example; False if a value or a moment is not finite."""
    for at in range(count):
        value, row = work.values[0, at], work.rows[at]
        if not math.isfinite(value):
            return False
        if rows.moments.shape[0] and rows.moments[row, 0] != CATEGORY:
            seen, mean, square = _advanced(rows.moments, row, value)
            if not math.isfinite(square):
                return False
            value = _standard(value, seen, mean, square)
        work.values[1, at] = value
    return True


@kernel
def remember(rows, work, count, number):
    """Update moments and stamps with the example, number `number`, that is being learned."""
    for at in range(count):
        row = work.rows[at]
        rows.table[row, STAMP] = number
        if rows.moments.shape[0] and rows.moments[row, 0] != CATEGORY:
            seen, mean, square = _advanced(rows.moments, row, work.values[0, at])
            rows.moments[row, 0], rows.moments[row, 1], rows.moments[row, 2] = seen, mean, square


@kernel
def largest(work, count):
    """The largest size of a value as used."""
    found = 0.0
    for at in range(count):
        found = max(found, abs(work.values[1, at]))
    return found


@kernel
def _advanced(moments, row, value):
    seen = moments[row, 0] + 1.0
    away = value - moments[row, 1]
    mean = moments[row, 1] + away / seen
    return seen, mean, moments[row, 2] + away * (value - mean)


@kernel
def _standard(value, seen, mean, square):
    if seen == 0.0 or square <= 0.0:
        return 0.0
    return min(max((value - mean) / math.sqrt(square / seen), -CLIP), CLIP)
