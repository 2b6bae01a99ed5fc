"""Runs a rival over a stream, and measures its ranks, lists, predictions and cost.

Events, candidates and sampled negatives are the same for all rivals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

import numpy as np

from models.arrays import Array
from models.evaluation.protocol import Stream
from models.evaluation.rivals import Refitted, Rival
from models.recommender import is_history, is_positive

TRIES: Final = 20
"""Draws of a negative after which the event has none: the user has touched nearly everything."""

TICK: Final = 500
"""Events between two reports of progress."""

FITS: Final = 10
"""Parts of a stream; at the end of each but the last, a rival that is `Refitted` is fitted."""


class Progress(Protocol):
    """Called with the number of events done, and with words about work that takes long."""

    def __call__(self, done: int, words: str = "") -> None:
        """Show it."""


class Examples(NamedTuple):
    """A stream as numbers, one element per event; items in order of their first event."""

    items: Array  # (n,) i64, -1 for none
    known: Array  # (n,) i64: items that had been seen before the event
    targets: Array  # (n,) f64: 1 wanted, 0 not wanted, NaN for events that say neither
    negatives: Array  # (n,) i64: an item its user had not touched, -1 for none
    names: list[str]


def examples(stream: Stream, seed: int) -> Examples:
    """Number the items, and draw a negative for each positive event, uniformly from items known but not touched."""
    generator = np.random.default_rng(seed)
    numbers: dict[str, int] = {}
    touched: dict[str, set[int]] = {}
    count = len(stream.events)
    first = generator.random(count)
    items, known, negatives = (np.full(count, -1, np.int64) for _ in range(3))
    targets = np.full(count, np.nan)
    for place, event in enumerate(stream.events):
        known[place] = len(numbers)
        if event.item_id is None:
            continue
        item = items[place] = numbers.setdefault(event.item_id, len(numbers))
        if is_history(event):
            targets[place] = float(is_positive(event))
            own = touched.setdefault(event.user_id, set())
            own.add(int(item))
            if is_positive(event):
                negatives[place] = _draw(int(first[place] * known[place]), int(known[place]), own, generator)
    return Examples(items, known, targets, negatives, list(numbers))


def _draw(first: int, count: int, own: set[int], generator: np.random.Generator) -> int:
    if not count:
        return -1
    drawn = first
    for _ in range(TRIES):
        if drawn not in own:
            return drawn
        drawn = int(generator.integers(count))
    return -1


class RivalRun(NamedTuple):
    """The result of one rival. Ranks and predictions are in the order of the tested places."""

    ranks: Array  # (n,) i64, 0 for an item nobody had touched
    positive: Array  # (n,) f64 predictions for the event's item, NaN where there was none
    negative: Array  # (n,) f64 for the sampled item
    lists: list[list[str]]
    learning: float  # seconds
    ranking: float  # seconds
    memory: int
    pointwise: bool  # scores are predictions of the target
    notes: dict[str, Any]


def run_rival(
    stream: Stream,
    given: Examples,
    rival: Rival,
    tested: Sequence[int],
    listed: Sequence[int],
    k: int,
    clock: Callable[[], float],
    tick: Progress | None = None,
) -> RivalRun:
    """Run a rival through the stream once: it ranks before it learns.

    Args:
        stream: Events in time order.
        given: The same stream as numbers.
        rival: The model.
        tested: Places at which it ranks the event's item.
        listed: Places at which it makes a list.
        k: Length of a list.
        clock: A monotonic clock, in seconds.
        tick: Called now and then with the number of events done, and in a fit with what it does.
    """
    places, shown = {place: at for at, place in enumerate(tested)}, set(listed)
    ranks = np.zeros(len(tested), np.int64)
    predicted = np.full((len(tested), 2), np.nan)
    lists: list[list[str]] = []
    learning = ranking = 0.0
    for place, event in enumerate(stream.events):
        item, known = int(given.items[place]), int(given.known[place])
        if isinstance(rival, Refitted) and _ends_a_part(place, len(stream.events)):
            began = clock()
            rival.refit(_silent if tick is None else partial(tick, place))
            learning += clock() - began
        if known and (place in places or place in shown):
            began = clock()
            rival.catch_up(event.timestamp)
            learning += clock() - began
            began = clock()
            scores = rival.scores(event.user_id, known, event.timestamp)
            if place in shown:
                lists.append([given.names[each] for each in top(scores, k)])
            if place in places and item < known:
                at, other = places[place], int(given.negatives[place])
                ranks[at] = rank_of(scores, item)
                if rival.pointwise and other >= 0:
                    predicted[at] = rival.predicted(scores[[item, other]])
            ranking += clock() - began
        if not np.isnan(given.targets[place]):
            began = clock()
            _learn(
                rival, event.user_id, event.timestamp, item, float(given.targets[place]), int(given.negatives[place])
            )
            learning += clock() - began
        if tick is not None and place % TICK == 0:
            tick(place)
    return RivalRun(
        ranks,
        predicted[:, 0],
        predicted[:, 1],
        lists,
        learning,
        ranking,
        rival.memory(),
        rival.pointwise,
        rival.notes(),
    )


def _ends_a_part(place: int, count: int) -> bool:
    """Whether one of the parts of the stream ends just before this place."""
    return place > 0 and FITS * place // count > FITS * (place - 1) // count


def _silent(words: str) -> None:
    """Show nothing."""


def _learn(rival: Rival, user: str, when: float, item: int, target: float, negative: int) -> None:
    rival.learn(user, item, target, when)
    if negative >= 0:
        rival.learn(user, negative, 0.0, when)


def rank_of(scores: Array, item: int) -> int:
    """Rank an item: 1 + higher scores + ties. A score of NaN or minus infinity proposes nothing: 0.

    >>> rank_of(np.array([0.5, 0.9, 0.5]), 0), rank_of(np.array([-np.inf, 0.0]), 0)
    (3, 0)
    """
    own = scores[item]
    return int((scores >= own).sum()) if np.isfinite(own) else 0


def top(scores: Array, k: int) -> list[int]:
    """Return the places of the k best proposals, best first, ties by place.

    >>> top(np.array([0.5, 0.9, -np.inf, 0.5]), 3)
    [1, 0, 3]
    """
    if len(scores) > 4 * k:
        bound = np.partition(scores, len(scores) - k)[len(scores) - k]
        places = np.flatnonzero(scores >= bound)
    else:
        places = np.arange(len(scores))
    best = places[np.argsort(-scores[places], kind="stable")][:k]
    return [int(place) for place in best if np.isfinite(scores[place])]
