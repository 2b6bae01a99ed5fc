"""Lists whose items are rows: the most popular, the untouched, the pool, the recent; merged by what they name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from models import dimensions as dim
from models.arrays import Array
from models.kernels.cold_start.lists import unlink_all
from models.kernels.core.marks import mark_all
from models.kernels.merging import top_lists
from models.kernels.merging.alternation import take_turns
from models.kernels.merging.pool_entries import enter_all
from models.merging.renumbering import Tables
from models.merging.touched import AllParts, distinct
from models.state import State, TableChanges

SIZES: Final = {"top_items": dim.TOP, "category_top": dim.CATEGORY_TOP}
"""Places of each list."""

LIVES: Final = {"top_items": -1, "category_top": 1}
"""The half-life by which a list is ordered; -1 where each has its own."""


def top(state: State, name: str, changes: AllParts) -> None:
    """Keep in each list the items with the largest keys, of all that it or a part's list holds.

    An item that a part listed has the merged key of its popularity; one that no part listed keeps the key it has.

    Args:
        state: The base; popularity is merged already.
        name: The table.
        changes: Of all parts, to that table.
    """
    data, size = state.tables[name], SIZES[name]
    room, popularity = size * len(changes.bounds), state.tables["item_stats"].columns["key"]
    top_lists.merge(
        data.columns["item"],
        data.columns["key"],
        data.marks.array,
        size,
        changes.rows,
        changes.bounds,
        changes.columns["item"],
        popularity,
        LIVES[name],
        *changes.cursors(),
        np.empty(room, np.int32),
        np.empty(room, np.float64),
        np.zeros(len(popularity), np.int32),
    )


def take_top(state: State, name: str, part: Tables) -> None:
    """Take over the lists of the only part."""
    for column, values in part[name].columns.items():
        state.tables[name].columns[column][part[name].rows] = values


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
    touch(state, distinct(np.concatenate(taken)))


def touch(state: State, rows: Array) -> None:
    """Take listed untouched items, (n,) i32, from the lists, and count them for their categories."""
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
        items = distinct(np.concatenate(entered))
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
    writers = [(part["recent"], int(count)) for part, count in zip(parts, written, strict=True) if count]
    if not writers:
        return
    counts = np.array([count for _, count in writers], np.int64)
    found = np.empty(int(counts.clip(max=size).sum()), np.int32)
    heads, starts, turns = np.empty_like(counts), np.empty_like(counts), np.empty(len(counts))
    items = np.concatenate([_written(changes, before, count, size) for changes, count in writers])
    take_turns(items, counts, size, heads, turns, starts, found)
    newest, last = found[-size:], before + int(written.sum())
    rows = (np.arange(last - len(newest), last) % size).astype(np.int32)
    data.columns["item"][rows] = newest
    mark_all(data.marks.array, rows)


def _written(changes: TableChanges, before: int, count: int, size: int) -> Array:
    """The items that a part wrote into its ring of `size` places, in their order: the last `size` of `count`."""
    rows = (before + np.arange(max(0, count - size), count)) % size
    items = changes.columns["item"]
    if len(items) != len(rows):  # where rows were marked that it did not write
        return items[changes.rows.searchsorted(rows)]
    at = int(changes.rows.searchsorted(rows[0]))
    return np.concatenate([items[at:], items[:at]])


__all__ = ["enter_pool", "take_pool", "take_top", "take_untouched", "top", "touch", "write_recent"]
