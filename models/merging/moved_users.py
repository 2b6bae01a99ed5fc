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
from models.state import State, rings


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
            for column in ("last", "newest"):
                data.columns[column][shared.rows] = np.maximum.reduceat(shared.values[column], shared.starts)
        else:
            order = np.lexsort((shared.values["time"], np.repeat(np.arange(len(shared.rows)), shared.sizes)))
            latest = order[shared.starts + shared.sizes - 1]
            for column, values in shared.values.items():
                data.columns[column][shared.rows] = values[latest]
    return len(several)


def _rings(state: State, parts: Sequence[Tables], several: Array) -> None:
    """Write the rings, before the counts of interactions change. Those of `several` get all that the parts pushed."""
    ring, users = state.tables["user_ring"], state.tables["user"].columns
    for part in parts:
        changes = part["user_ring"]
        own = np.isin(changes.rows // dim.RING, several, invert=True) if len(several) else slice(None)
        for column, values in changes.columns.items():
            ring.columns[column][changes.rows[own]] = values[own]
    for user in several.tolist():
        before, newest = int(users["pushed"][user]), int(users["newest"][user])
        pushed: list[tuple[int, int, int]] = []
        for part in parts:
            at = np.searchsorted(part["user"].rows, user)
            if at == len(part["user"].rows) or part["user"].rows[at] != user:
                continue
            theirs, did = part["user"].columns, part["user_ring"]
            after = int(theirs["pushed"][at])
            numbers = np.arange(max(before, after - dim.RING), after)[::-1]
            places = np.searchsorted(did.rows, user * dim.RING + numbers % dim.RING)
            done = did.columns["did"][places]
            moments = rings.times(theirs["newest"][at], rings.pauses(done))
            columns = did.columns["item"][places], moments, rings.kinds(done)
            pushed += zip(*(column[::-1].tolist() for column in columns), strict=True)
        pushed.sort(key=lambda did: did[1])
        kept, last = pushed[-dim.RING :], before + len(pushed)
        slots = user * dim.RING + np.arange(last - len(kept), last) % dim.RING
        items, moments, kinds = np.array(kept, np.int64).reshape(-1, 3).T
        if before:  # the first pause is that since the newest entry of the base
            moments, kinds = np.concatenate([[newest], moments]), np.concatenate([[0], kinds])
        ring.columns["item"][slots] = items
        ring.columns["did"][slots] = rings.dids(moments, kinds)[len(moments) - len(items) :]
        ring.mark(slots)


__all__ = ["merge"]
