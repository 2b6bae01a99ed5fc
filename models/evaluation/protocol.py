"""The protocol of every figure: which events of a stream are evaluated, and what was known before each.

Events in time order. An event is evaluated when it is past the first tenth of the stream, is the n-th by position, is
of a positive type, and anyone had touched its item before. Any item seen so far may be recommended, the user's own past
ones included. Rank = 1 + items with a strictly higher score + ties; an item that is not proposed is a miss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from models.arrays import Array
from models.dimensions import PURCHASE
from models.recommender import EventLike, FactsLike, is_history, is_positive

WARM: Final = 0.1
"""Share of the stream that is only learned: at the beginning every contender is nearly empty."""

POSITIONS: Final = 4000
"""Positions sampled from a stream. Standard errors are below 0.008, and testing costs less than learning."""

LISTS: Final = 300
"""Requests whose lists are examined for coverage, personalisation and novelty, each of another user."""

DEEPEST: Final = 30
"""Largest k: down to this rank a single source ranks the same as it would over the whole catalogue."""

HISTORIES: Final = ((0, "0"), (1, "1"), (2, "2-4"), (5, "5-19"), (20, "20-99"), (100, "100+"))
"""Least number of the user's events before, and the name of the slice."""


class Stream(NamedTuple):
    """Events in time order, and facts by item id.

    `facts` are used at the first event of an item; those in `catalogue` are known before the first event of all.
    """

    events: Sequence[EventLike]
    facts: Mapping[str, FactsLike]
    catalogue: Mapping[str, FactsLike] = {}


@dataclass(frozen=True, slots=True)
class Plan:
    """How a stream is evaluated.

    Args:
        k: Ranks that count, at most DEEPEST.
        every: n evaluates each n-th position, None about 4,000 positions of the stream, 0 as many as a live learner
            does (about 50 events a second).
        seed: Seed of models, sampled negatives and bootstrap.
        lists: Most requests whose lists are examined.
    """

    k: int = 20
    every: int | None = None
    seed: int = 1
    lists: int = LISTS

    def stride(self, events: int) -> int:
        """Return n where each n-th of so many events is evaluated; 0 for as many as a live learner tests.

        >>> Plan().stride(100_000), Plan(every=7).stride(100_000), Plan().stride(10)
        (25, 7, 1)
        """
        return max(1, events // POSITIONS) if self.every is None else self.every


def described(plan: Plan, events: int) -> dict[str, Any]:
    """Describe the protocol in words and numbers, for the report."""
    stride = plan.stride(events)
    return {
        "order": "by time, ties by position in the file",
        "test_then_learn": "an event is ranked by every contender as it stands, then learned",
        "warm_up": WARM,
        "every": stride,
        "sample": f"position % {stride} == 0" if stride else "about 50 events a second of record time, by hash",
        "evaluated": "past the warm-up, sampled, of a positive type, its item touched before by anyone",
        "candidates": "every item seen so far, the user's own past items included",
        "rank": "1 + items with a strictly higher score + ties; an item that is not proposed is a miss",
        "k": plan.k,
        "interval": "paired bootstrap over evaluated events, 2000 draws, 95 %",
        "standard_error": "events taken as independent",
        "lists": f"top {plan.k} for at most {plan.lists} sampled events past the warm-up, each of another user",
        "seed": plan.seed,
    }


def list_places(events: Sequence[EventLike], most: int) -> list[int]:
    """Choose places of positive events past the warm-up, evenly spread, each of another user, at most `most`."""
    if not most:
        return []
    positive = [place for place in range(warm_up(len(events)), len(events)) if is_positive(events[place])]
    found: dict[str, int] = {}
    for place in positive[:: max(1, len(positive) // (2 * most))]:
        found.setdefault(events[place].user_id, place)
    places = sorted(found.values())
    return places[:: max(1, -(-len(places) // most))] if places else []


def warm_up(events: int) -> int:
    """Return how many events at the beginning of a stream are only learned."""
    return int(np.ceil(WARM * events))


class Targets(NamedTuple):
    """What was known before each evaluated event, one element per event."""

    places: Array  # (n,) i64 in the stream
    kinds: Array  # (n,) codes of the event types
    depth: Array  # (n,) events of the user before, searches and impressions aside
    own: Array  # (n,) bool: the user had touched the item
    cold: Array  # (n,) bool: nobody had
    listed: Array  # (n,) bool: the item's facts were in the catalogue from the start
    opens: Array  # (n,) bool: the user's event before it has another second, so it is no later line of an order


def targets(stream: Stream, places: Array) -> Targets:
    """Look up what was known before each of the events at `places`, (n,) ascending."""
    wanted, at = set(places.tolist()), 0
    rows = np.zeros((len(places), 6), np.int64)
    touched: set[str] = set()
    depth: dict[str, int] = {}
    last: dict[str, int] = {}
    own: set[tuple[str, str]] = set()
    for place, event in enumerate(stream.events):
        item, user = event.item_id, event.user_id
        if place in wanted:
            pair, opens = (user, item or ""), last.get(user) != int(event.timestamp)
            rows[at] = event.kind, depth.get(user, 0), pair in own, item not in touched, item in stream.catalogue, opens
            at += 1
        if item is not None:
            touched.add(item)
            if is_history(event):
                own.add((user, item))
                depth[user], last[user] = depth.get(user, 0) + 1, int(event.timestamp)
    return Targets(places, rows[:, 0], rows[:, 1], *rows[:, 2:].T.astype(bool))


def late(places: Array, events: int) -> Array:
    """Tell which places are past the warm-up, (n,) bool."""
    return np.asarray(places >= warm_up(events))


def slices(found: Targets, kinds: Sequence[str]) -> dict[str, dict[str, Array]]:
    """Return the masks, (n,) bool, of the slices that are always reported: group -> name -> mask."""
    warm = ~found.cold
    return {
        "target": {"new_to_user": warm & ~found.own, "known_to_user": warm & found.own},
        "cold": {"cold": found.cold, "cold_in_catalogue": found.cold & found.listed},
        "order": {"first_line": warm & found.opens, "later_lines": warm & ~found.opens},
        "by_type": {name: warm & (found.kinds == code) for code, name in enumerate(kinds) if code <= PURCHASE},
        "by_history": _by_history(found, warm),
    }


def _by_history(found: Targets, warm: Array) -> dict[str, Array]:
    ends = [least for least, _ in HISTORIES[1:]] + [np.iinfo(np.int64).max]
    return {
        name: warm & (found.depth >= least) & (found.depth < end)
        for (least, name), end in zip(HISTORIES, ends, strict=True)
    }
