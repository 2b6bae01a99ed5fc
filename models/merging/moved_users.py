"""Users that more than one part changed in, users with all of it out.

A user belongs to the shard that reads the user's partition, so that this happens only where a producer partitions
otherwise, or where partitions were added: then nothing is lost, and interactions are in the order of their times.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models import dimensions as dim
from models.arrays import Array
from models.merging.renumbering import Tables
from models.merging.touched import all_parts, split
from models.state import State

_RING = ("item", "time", "kind")


def merge(state: State, parts: Sequence[Tables]) -> int:
    """Write the rows of users, and return how many users several parts changed."""
    several = np.zeros(0, np.int32)
    for name in ("user", "user_query"):
        data = state.tables[name]
        changes = all_parts([part[name] for part in parts], data.columns)
        found = split(changes)
        if name == "user":
            several = found.rows
            _rings(state, parts, several)
        for column, values in changes.columns.items():
            data.columns[column][changes.rows[found.alone]] = values[found.alone]
        if not len(found.rows):
            continue
        shared = found.shared(changes, data.columns)
        if name == "user":
            for column in ("pushed", "events"):
                base = shared.base[column].astype(np.int64)
                added = shared.total(shared.values[column].astype(np.int64) - shared.spread(base))
                data.columns[column][shared.rows] = base + added
            data.columns["last"][shared.rows] = np.maximum.reduceat(shared.values["last"], shared.starts)
        else:
            order = np.lexsort((shared.values["time"], np.repeat(np.arange(len(shared.rows)), shared.sizes)))
            latest = order[shared.starts + shared.sizes - 1]
            for column, values in shared.values.items():
                data.columns[column][shared.rows] = values[latest]
    return len(several)


def _rings(state: State, parts: Sequence[Tables], several: Array) -> None:
    """Write the rings, before the counts of interactions change. Those of `several` get all that the parts pushed."""
    ring, users = state.tables["user_ring"], state.tables["user"].columns["pushed"]
    for part in parts:
        changes = part["user_ring"]
        own = np.isin(changes.rows // dim.RING, several, invert=True) if len(several) else slice(None)
        for column, values in changes.columns.items():
            ring.columns[column][changes.rows[own]] = values[own]
    for user in several.tolist():
        before, pushed = int(users[user]), []
        for part in parts:
            at = np.searchsorted(part["user"].rows, user)
            if at == len(part["user"].rows) or part["user"].rows[at] != user:
                continue
            after = int(part["user"].columns["pushed"][at])
            numbers = np.arange(max(before, after - dim.RING), after)
            places = np.searchsorted(part["user_ring"].rows, user * dim.RING + numbers % dim.RING)
            pushed += list(zip(*(part["user_ring"].columns[name][places].tolist() for name in _RING), strict=True))
        pushed.sort(key=lambda did: did[1])
        kept, last = pushed[-dim.RING :], before + len(pushed)
        slots = user * dim.RING + np.arange(last - len(kept), last) % dim.RING
        for name, did in zip(_RING, zip(*kept, strict=True), strict=False):
            ring.columns[name][slots] = did
        ring.mark(slots)


__all__ = ["merge"]
