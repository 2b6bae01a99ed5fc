"""Counts of items without a row, merged: differences add up, and all counts are halved when that is due."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models import dimensions as dim
from models.arrays import Array
from models.merging.renumbering import Tables
from models.merging.touched import distinct
from models.state import State


def merge(state: State, parts: Sequence[Tables], before: int, deferred: Array) -> None:
    """Add what the parts counted.

    Args:
        state: The base.
        parts: What the parts changed; one that was due to halve all counts has done so.
        before: Events ever counted before.
        deferred: How many each part counted since, (parts,).
    """
    data = state.tables["sightings"]
    counts = data.columns["count"]
    rows = distinct(np.concatenate([part["sightings"].rows for part in parts]))
    if not len(rows):
        return
    base = counts[rows].astype(np.int32)
    total = base.copy()
    for part, own in zip(parts, deferred.tolist(), strict=True):
        changes = part["sightings"]
        places = np.searchsorted(rows, changes.rows)
        counted = changes.columns["count"].astype(np.int32) << _halvings(before, own)
        total[places] += counted - base[places]
    counts[rows] = total.clip(0, np.iinfo(counts.dtype).max)
    times = _halvings(before, int(deferred.sum()))
    if times:
        data.mark(np.flatnonzero(counts).astype(np.int32))
        counts >>= times


def _halvings(before: int, counted: int) -> int:
    """How often all counts were to be halved meanwhile."""
    return (before + counted) // dim.SIGHTED - before // dim.SIGHTED


__all__ = ["merge"]
