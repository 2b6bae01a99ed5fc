"""What a shard itself changed in columns that other shards changed too, between two merges.

A shard takes over what all of them made of a row, and learns on. The full merge adds up what each shard did itself, so
that nothing counts twice and a shard that was lost leaves nothing behind. Values are logarithms of decayed counts.
"""

from __future__ import annotations

import numpy as np

from models.arrays import Array

LEAST = 1e-300
"""A growth so small that its logarithm still is a number."""


class OwnChanges:
    """One column of one shard since the last full merge: for each row that it took over, what it would be without.

    Args:
        values: Some values of the column, for its shape and type.

    >>> own = OwnChanges(np.zeros(1))
    >>> own.take_over(np.array([3]), np.log([2.0]), np.log([5.0]))  # two of the five touches are this shard's
    >>> np.exp(own.without_others(np.array([3]), np.log([6.0]))).round(9).tolist()
    [3.0]
    """

    def __init__(self, values: Array) -> None:
        self._rows = np.zeros(0, np.int32)
        self._own, self._last = values[:0].copy(), values[:0].copy()

    def changed(self, rows: Array, values: Array) -> Array:
        """(n,) bool, whether a row holds anything else than what was taken over last; so does one that never was.

        Args:
            rows: Ascending, (n,) i32.
            values: What they hold, (n, ...).
        """
        found = np.ones(len(rows), bool)
        at, places = self._find(rows)
        found[at] = differ(values[at], self._last[places])
        return found

    def take_over(self, rows: Array, before: Array, merged: Array) -> None:
        """Note that rows are overwritten.

        Args:
            rows: Ascending, (n,) i32.
            before: What they hold, (n, ...).
            merged: What they become, (n, ...).
        """
        own = self.without_others(rows, before)
        kept = np.isin(self._rows, rows, assume_unique=True, invert=True)
        joined = np.concatenate([self._rows[kept], rows])
        order = np.argsort(joined, kind="stable")
        self._rows = joined[order].astype(np.int32)
        self._own = np.concatenate([self._own[kept], own])[order]
        self._last = np.concatenate([self._last[kept], merged])[order]

    def without_others(self, rows: Array, values: Array) -> Array:
        """What rows would hold if nothing had been taken over, (n, ...): to the bit where others changed nothing.

        Args:
            rows: Ascending, (n,) i32.
            values: What they hold, (n, ...).
        """
        found = values.copy()
        at, places = self._find(rows)
        found[at] = moved(self._own[places], self._last[places], values[at])
        return found

    def _find(self, rows: Array) -> tuple[Array, Array]:
        """Places in `rows` of those that were taken over, and their places here."""
        places = self._rows.searchsorted(rows)
        known = places < len(self._rows)
        known[known] = self._rows[places[known]] == rows[known]
        return np.flatnonzero(known), places[known]


def differ(one: Array, other: Array) -> Array:
    """(n,) bool, whether rows hold different values."""
    found = one != other
    return np.asarray(found.any(axis=tuple(range(1, found.ndim))))


def moved(own: Array, last: Array, value: Array) -> Array:
    """Move `own` as the shard moved `last` to `value`.

    log(exp(own) + exp(value) - exp(last)) where it grew. Where it fell, as a refusal lets it fall, `own` falls by the
    same factor, which leaves a count.
    """
    grown = value + np.log(-np.expm1(-np.maximum(value - last, LEAST)))
    found = np.where(value > last, np.logaddexp(own, grown), own + (value - last))
    return np.where(value == last, own, np.where(own == last, value, found))


__all__ = ["OwnChanges", "differ", "moved"]
