"""Lists whose items are rows: the most popular, the untouched, the pool, the recent; merged by what they name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from models import dimensions as dim
from models.arrays import Array
from models.kernels.cold_start.lists import unlink_all
from models.kernels.merging.pool_entries import enter_all
from models.merging.renumbering import Tables
from models.state import State, TableChanges

SIZES: Final = {"top_items": dim.TOP, "category_top": dim.CATEGORY_TOP}
"""Places of each list."""


def top(state: State, name: str, changes: Sequence[TableChanges]) -> None:
    """Keep in each list the items with the largest keys, of all that it or a part's list holds.

    An item that a part listed has the merged key of its popularity; one that no part listed keeps the key it has.

    Args:
        state: The base; popularity is merged already.
        name: The table.
        changes: Of each part, to that table.
    """
    data, size = state.tables[name], SIZES[name]
    if len(changes) == 1:
        for column, values in changes[0].columns.items():
            data.columns[column][changes[0].rows] = values
        return
    rows = np.unique(np.concatenate([part.rows for part in changes]))
    if not len(rows):
        return
    lists = np.unique(rows // size)
    places = (lists.astype(np.int64)[:, None] * size + np.arange(size)).ravel()
    held, keys = data.columns["item"][places], data.columns["key"][places]
    listed = [(part.rows // size, part.columns["item"]) for part in changes if len(part.rows)]
    owner = np.concatenate([np.repeat(lists, size), *(each for each, _ in listed)])
    items = np.concatenate([held, *(each for _, each in listed)])
    popularity = state.tables["item_stats"].columns["key"]
    used = items >= 0
    life = owner if name == "top_items" else np.ones(len(owner), np.int64)
    value = np.full(len(items), -np.inf)
    value[used] = popularity[items[used], life[used]]
    # An item that moved to another category is still in the list of the old one, with the key it had there.
    touched = np.zeros(len(items), bool)
    touched[len(held) :] = True
    pairs = _pairs(owner, items)
    stale = np.isin(pairs[: len(held)], pairs[touched], invert=True)
    value[: len(held)] = np.where(stale & (held >= 0), keys, value[: len(held)])
    order = np.lexsort((items, -value, owner))
    order = order[used[order]]
    order = order[_firsts(owner[order], items[order])]
    begins = np.searchsorted(owner[order], lists)
    rank = np.arange(len(order)) - np.repeat(begins, np.diff([*begins, len(order)]))
    kept = order[rank < size]
    at = np.searchsorted(lists, owner[kept]) * size + rank[rank < size]
    new_items, new_keys = np.full(len(places), -1, np.int32), np.zeros(len(places))
    new_items[at], new_keys[at] = items[kept], value[kept]
    data.columns["item"][places], data.columns["key"][places] = new_items, new_keys
    data.mark(places)


def _pairs(owner: Array, items: Array) -> Array:
    return owner.astype(np.int64) << 32 | (items.astype(np.int64) & 0xFFFFFFFF)


def _firsts(owner: Array, items: Array) -> Array:
    """(n,) bool: whether a pair (owner, item) comes for the first time."""
    _, first = np.unique(_pairs(owner, items), return_index=True)
    found = np.zeros(len(items), bool)
    found[first] = True
    return found


def take_untouched(state: State, parts: Sequence[Tables]) -> None:
    """Unlink every untouched item that any part took, and count it once."""
    listed = state.tables["item_fresh"].columns["listed"]
    taken = [
        rows[(changes.columns["listed"] == 0) & (listed[rows] == 1)]
        for part in parts
        if len(rows := (changes := part["item_fresh"]).rows)
    ]
    if not taken:
        return
    rows = np.unique(np.concatenate(taken)).astype(np.int32)
    lent, stats = state.lent_served, state.served.item_stats
    unlink_all(lent.item_fresh, lent.category_fresh, lent.fresh, stats.category, rows)
    categories = stats.category[rows]
    np.add.at(state.tables["category_fresh"].columns["taken"], categories[categories >= 0], 1)


def enter_pool(state: State, parts: Sequence[Tables]) -> None:
    """Let items into the pool that entered it at some part."""
    slots = state.tables["item_pool"].columns["slot"]
    entered = [
        rows[(changes.columns["slot"] >= 0) & (slots[rows] < 0)]
        for part in parts
        if len(rows := (changes := part["item_pool"]).rows)
    ]
    lent, own = state.lent_served, state.lent_private
    assert own is not None
    keys, random = state.tables["item_stats"].columns["key"], state.tables["progress"].columns["random"]
    if entered:
        items = np.unique(np.concatenate(entered)).astype(np.int32)
        enter_all(lent.pool, lent.clock, own.item_pool, keys, items, random)


def take_pool(state: State, part: Tables) -> None:
    """Take over the pool of the only part."""
    for name, columns in (("pool", ("item",)), ("item_pool", ("slot",)), ("clock", ("pooled",))):
        for column in columns:
            state.tables[name].columns[column][part[name].rows] = part[name].columns[column]
    random = state.tables["progress"].columns["random"]
    random[part["progress"].rows] = part["progress"].columns["random"]


def write_recent(state: State, parts: Sequence[Tables], before: int, written: Array) -> None:
    """Write the recent items of all parts, in turns.

    Args:
        state: The base.
        parts: What the parts changed.
        before: Items ever written before.
        written: How many each part wrote since, (parts,).
    """
    data = state.tables["recent"]
    size = data.table.width
    items, turns, owners = [], [], []
    for number, (part, count) in enumerate(zip(parts, written.tolist(), strict=True)):
        if not count:
            continue
        numbers = np.arange(max(0, count - size), count)
        rows = (before + numbers) % size
        items.append(part["recent"].columns["item"][np.searchsorted(part["recent"].rows, rows)])
        turns.append((numbers + 0.5) / count)
        owners.append(np.full(len(numbers), number))
    if not items:
        return
    order = np.lexsort((np.concatenate(owners), np.concatenate(turns)))[-size:]
    last = before + int(written.sum())
    rows = (np.arange(last - len(order), last) % size).astype(np.int32)
    data.columns["item"][rows] = np.concatenate(items)[order]
    data.mark(rows)


__all__ = ["enter_pool", "take_pool", "take_untouched", "top", "write_recent"]
