"""The catalogue of one service process: follows the facts of items, and finds the items that match a filter.

The facts are those of `streaming.live.facts`; columns hold the ones that filters use. A filter is one vectorised pass
over the shortest list of items that can hold all matches (a category, a tag, or all items), in stretches, and ends as
soon as enough are found: some 3 ns per item, at worst 3 ms among a million.
"""

from __future__ import annotations

import threading
import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import numpy as np
import xxhash

from models.arrays import Array
from models.records import ItemFacts
from models.slate import Wanted
from service.serving.condition_index import ConditionIndex
from service.serving.coverage import counted, known
from streaming.live import FactsFollower
from streaming.store import Store

STRETCH: Final = 1 << 15
"""Items per pass: 0.1 ms, so that a filter that many items match costs no more than that."""

TOGETHER: Final = 128
"""Items whose facts are set at once, while a filter waits: some 0.4 ms. One by one each would take two to three times
as long."""

WHILE_LOADING: Final = 65_536
"""The same before everything was read: no filter waits then, and many items share what a call costs."""

LOOK: Final = 256
"""Items of a search between two looks at the clock: some 0.2 ms."""

DEEPER: Final = 8
"""How many times as many items as are wanted a search collects before it puts the closest first."""

SMALL: Final = 64
"""Rows up to which a list is not worth tidying."""


@dataclass(slots=True)
class Listed:
    """The rows of one category or tag, and the length at which to tidy it."""

    rows: array[int]
    tidy_at: int


class Columns:
    """Price, category and tags of every known item, by row, and the rows of each category and tag. Thread-safe.

    A list may hold more than is true now (an item that lost a tag stays in its list). Matches are checked against the
    facts, so this only costs a look.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: dict[str, int] = {}
        self._ids: list[str] = []
        self._prices = np.full(1024, np.nan)
        self._shown = np.zeros(1024, bool)
        self._marks = np.zeros(1024, np.uint64)  # a bit per tag, by hash: all of a filter's bits are in a match
        self._tags: list[tuple[str, ...]] = []
        self._lists: dict[tuple[str, str], Listed] = {}
        self._codes: dict[str, int] = {}
        self._categories = np.full(1024, -1, np.int32)
        self._known = np.zeros(1024, np.uint8)
        self._conditions = ConditionIndex()

    def put(self, items: Sequence[str], facts: Sequence[ItemFacts]) -> None:
        """Set the facts of items, one at least."""
        with self._lock:
            rows = self._rows_of(items)
            self._grow(max(rows))
            at = np.array(rows)
            codes, names = self._codes, [each.category for each in facts]
            self._shown[at] = [each.available for each in facts]
            self._prices[at] = [np.nan if each.price is None else each.price for each in facts]
            self._marks[at] = [marks(each.tags) if each.tags else 0 for each in facts]
            self._known[at] = [known(each) for each in facts]
            before = self._categories[at]
            self._categories[at] = [-1 if name is None else codes.setdefault(name, len(codes)) for name in names]
            self._list_in_categories(at, np.flatnonzero(self._categories[at] != before), names)
            for row, each in zip(rows, facts, strict=True):
                if each.tags or self._tags[row]:
                    had, self._tags[row] = self._tags[row], each.tags
                    for tag in set(each.tags).difference(had):
                        self._append("tag", tag, [row])
            self._conditions.put(at, facts)

    def _list_in_categories(self, at: Array, places: Array, names: Sequence[str | None]) -> None:
        """Append rows to the lists of their new categories, each list in the order of the places."""
        of = self._categories[at[places]]
        order = np.argsort(of, kind="stable")
        for some in np.split(places[order], np.flatnonzero(np.diff(of[order])) + 1):
            if len(some) and (name := names[some[0]]) is not None:
                self._append("category", name, at[some].tolist())

    def _rows_of(self, items: Sequence[str]) -> list[int]:
        """The rows of items; the next ones for those that have none."""
        new = [item for item in dict.fromkeys(items) if item not in self._rows]
        self._rows.update(zip(new, range(len(self._ids), len(self._ids) + len(new)), strict=True))
        self._ids += new
        self._tags += [()] * len(new)
        return [self._rows[item] for item in items]

    def hide(self, item: str) -> None:
        """Mark an item as removed."""
        with self._lock:
            row = self._rows.get(item, -1)
            if row >= 0:
                self._shown[row] = False

    def _append(self, kind: str, name: str, rows: list[int]) -> None:
        listed = self._lists.get((kind, name))
        if listed is None:
            listed = self._lists[kind, name] = Listed(array("i"), max(SMALL, 2 * len(rows)))
        elif len(listed.rows) >= listed.tidy_at:
            self._tidy(kind, name, listed)
        listed.rows.extend(rows)

    def _tidy(self, kind: str, name: str, listed: Listed) -> None:
        """Drop rows that are listed twice or no longer belong: a list is at most twice as long as needed."""
        code = self._codes.get(name, -2)
        belongs: Callable[[int], bool] = (
            (lambda row: self._categories[row] == code) if kind == "category" else (lambda row: name in self._tags[row])
        )
        listed.rows = array("i", [row for row in dict.fromkeys(listed.rows) if belongs(row)])
        listed.tidy_at = max(SMALL, 2 * len(listed.rows))

    def _grow(self, row: int) -> None:
        while row >= len(self._prices):
            more = len(self._prices)
            self._prices = np.concatenate([self._prices, np.full(more, np.nan)])
            self._shown = np.concatenate([self._shown, np.zeros(more, bool)])
            self._marks = np.concatenate([self._marks, np.zeros(more, np.uint64)])
            self._categories = np.concatenate([self._categories, np.full(more, -1, np.int32)])
            self._known = np.concatenate([self._known, np.zeros(more, np.uint8)])

    def coverage(self) -> tuple[int, dict[str, int]]:
        """How many items may be shown, and how many of these have each fact."""
        with self._lock:
            shown = self._shown[: len(self._ids)]
            return int(shown.sum()), counted(self._known[: len(self._ids)], shown)

    def matching(self, wanted: Wanted) -> Iterator[str]:
        """Ids of items that can match, in the order in which they became known. Each must still be checked."""
        with self._lock:
            rows = self._shortest(wanted)
            code = self._codes.get(wanted.category, -2) if wanted.category is not None else None
        seen: dict[int, None] = {}
        for start in range(0, len(rows), STRETCH):
            stretch = rows[start : start + STRETCH]
            fitting = dict.fromkeys(stretch[self._fitting(stretch, wanted, code)].tolist())
            unseen = [row for row in fitting if row not in seen] if seen else fitting
            yield from map(self._ids.__getitem__, unseen)
            seen |= fitting

    def page(self, category: str | None, after: str | None) -> Iterator[str]:
        """Ids of items in the order in which they became known, hidden ones included.

        Args:
            category: Only items of this category; None for all items.
            after: Begin behind this item; None for the beginning.

        Raises:
            KeyError: `after` is not known.
        """
        with self._lock:
            start = self._rows[after] + 1 if after is not None else 0
            end = len(self._ids)
            if category is None:
                rows: Iterable[int] = range(start, end)
            else:
                listed = np.unique(np.array(self._listed("category", category), np.int64))
                rows = listed[np.searchsorted(listed, start) :].tolist()
        return (self._ids[row] for row in rows)

    def _shortest(self, wanted: Wanted) -> Array:
        names = [("tag", tag) for tag in wanted.tags_all]
        if wanted.category is not None:
            names.append(("category", wanted.category))
        lists = [[self._listed(*name)] for name in names]
        if wanted.tags_any:
            lists.append([self._listed("tag", tag) for tag in wanted.tags_any])
        if not lists:
            return np.arange(len(self._ids), dtype=np.int32)
        chosen = min(lists, key=lambda parts: sum(map(len, parts)))
        return np.concatenate([np.array(part, np.int32) for part in chosen])

    def _listed(self, kind: str, name: str) -> array[int]:
        found = self._lists.get((kind, name))
        return found.rows if found is not None else array("i")

    def _fitting(self, rows: Array, wanted: Wanted, code: int | None) -> Array:
        fits = self._shown[rows]
        if wanted.price_min is not None:
            fits &= self._prices[rows] >= wanted.price_min
        if wanted.price_max is not None:
            fits &= self._prices[rows] <= wanted.price_max
        if code is not None:
            fits &= self._categories[rows] == code
        if wanted.tags_all:
            needed = np.uint64(marks(wanted.tags_all))
            fits &= (self._marks[rows] & needed) == needed
        if wanted.tags_any:
            fits &= (self._marks[rows] & np.uint64(marks(wanted.tags_any))) != 0
        for condition in wanted.conditions:
            fits &= self._conditions.fitting(rows, condition)
        return fits


def marks(tags: Iterable[str]) -> int:
    """64 bits: for each tag one bit, chosen by hash, is set.

    >>> marks(["green"]) & marks(["green", "loose"]) == marks(["green"])
    True
    """
    found = 0
    for tag in tags:
        found |= 1 << (xxhash.xxh3_64_intdigest(tag.encode()) & 63)
    return found


class ItemCatalogue(FactsFollower):
    """The followed facts, and the search for items by them."""

    def __init__(self, store: Store) -> None:
        self._columns = Columns()
        super().__init__(store, changed=self._take)

    def _take(self, items: Sequence[str]) -> None:
        together = TOGETHER if self.ready.is_set() else WHILE_LOADING
        for start in range(0, len(items), together):
            some = {item: self.get(item) for item in items[start : start + together]}
            there = {item: facts for item, facts in some.items() if facts is not None}
            if there:
                self._columns.put([*there], [*there.values()])
            for item in some.keys() - there.keys():
                self._columns.hide(item)

    def likely(self, wanted: Wanted, limit: int) -> list[str]:
        """At most `limit` items that match according to the columns. Nearly all do; each must still be checked."""
        found = self._columns.matching(wanted)
        if wanted.conditions:  # the index is not exact where an item has many attributes
            found = (item for item in found if wanted.matches(self.get(item)))
        return list(islice(found, limit))

    def matching(self, wanted: Wanted, limit: int, passes: Callable[[str], bool] = lambda _: True) -> list[str]:
        """At most `limit` items that match and pass, none hidden, in the order in which they became known."""
        found: list[str] = []
        for item in self._columns.matching(wanted):
            if wanted.matches(self.get(item)) and not self.hidden(item) and passes(item):
                found.append(item)
                if len(found) == limit:
                    break
        return found

    def page(self, category: str | None, after: str | None, limit: int) -> list[str]:
        """At most `limit` items that may be shown, in the order in which they became known; see `Columns.page`."""
        shown = (item for item in self._columns.page(category, after) if self._fits(item, category))
        return list(islice(shown, limit))

    def coverage(self) -> tuple[int, dict[str, int]]:
        """How many items may be shown, and how many of these have each fact of `coverage.FACTS`."""
        return self._columns.coverage()

    def search(self, query: str, category: str | None, limit: int, budget: float) -> tuple[list[str], bool]:
        """Items whose title or id has every word of a query; none that is hidden.

        The item with this very id comes first, then titles that begin so, then those of which a word does.

        Args:
            query: What somebody types.
            category: Only items of this category; None for all items.
            limit: Items wanted.
            budget: Seconds to look for; a million items take about one.

        Returns:
            The items, and whether there was time to look through all that was needed.
        """
        words = query.casefold().split()
        if not words:
            return [], True
        found: list[tuple[int, str]] = [(0, query)] if self._fits(query, category) else []
        until, whole = time.monotonic() + budget, True
        for number, item in enumerate(self._columns.page(category, None)):
            if len(found) >= DEEPER * limit:
                break
            if number % LOOK == 0 and time.monotonic() > until:
                whole = False
                break
            far = self._distance(item, words)
            if far and item != query and self._fits(item, category):
                found.append((far, item))
        found.sort(key=lambda entry: entry[0])
        return [item for _, item in found[:limit]], whole

    def _distance(self, item: str, words: Sequence[str]) -> int:
        """How far an item is from some words: 1 to 3; 0 when it lacks one of them."""
        facts = self.get(item)
        title = (facts.title or "").casefold() if facts is not None else ""
        text = f"{item.casefold()} {title}"
        if not all(word in text for word in words):
            return 0
        if title.startswith(words[0]) or text.startswith(words[0]):
            return 1
        return 2 if f" {words[0]}" in text else 3

    def _fits(self, item: str, category: str | None) -> bool:
        facts = self.get(item)
        return facts is not None and not self.hidden(item) and category in {None, facts.category}


__all__ = ["Columns", "ItemCatalogue", "marks"]
