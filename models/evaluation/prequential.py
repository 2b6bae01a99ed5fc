"""Runs the recommender over a stream, and measures ranks, lists, running scores and cost. The learner's own code path.

`Recommender.learn_events` does all testing and learning, as it does in the learner for events from Kafka.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Final, NamedTuple

from models.dimensions import RING
from models.evaluation.protocol import Plan, Stream, list_places
from models.recommender import (
    CONTENDERS,
    EventLike,
    FactsLike,
    Groups,
    Recommender,
    RecommenderOptions,
    Tested,
    is_history,
    joined,
    new_state,
)
from models.state import State

CHUNK: Final = 2000
"""Events between two reports of progress. The cuts change no figure."""

TIMED: Final = 50_000
"""First events of a stream over which learning alone is timed, in a second pass that tests nothing."""

_NEVER: Final = 1 << 62


class PrequentialRun(NamedTuple):
    """The result of one pass over a stream. Places are positions in the stream."""

    tested: Tested
    lists: dict[str, list[list[str]]]  # contender -> one list per request, of requests that had one
    baskets: dict[str, list[list[str]]]  # contender -> one list per basket asked about
    running: dict[str, dict[str, float]]  # as a learner's /metrics would show them after the last event
    in_charge: str
    learning: float  # seconds per event, all contenders together, nothing tested
    ranking: dict[str, float]  # contender -> seconds per list of k, from a history of ids to ids
    memory: int  # bytes of arrays and ids


def run_recommender(
    stream: Stream,
    plan: Plan,
    clock: Callable[[], float],
    settings: RecommenderOptions | None = None,
    tick: Callable[[int], None] | None = None,
    baskets: Sequence[int] = (),
) -> PrequentialRun:
    """Test and learn a stream with a new recommender. Record times are the events' own.

    Args:
        stream: Events in time order, with item facts.
        plan: Which events are tested, and for which of them lists are made.
        clock: A monotonic clock, in seconds.
        settings: Of the recommender; all defaults if left out.
        tick: Called now and then with the number of events done.
        baskets: Places of the first lines of the baskets that are asked about.
    """
    settings = replace(settings or RecommenderOptions(), test_every=plan.stride(len(stream.events)))
    recommender, facts = _new_recommender(stream, plan, settings)
    groups = Groups.of(stream.catalogue.items())
    requests = Requests(stream.events, list_places(stream.events, plan.lists), plan.k, clock)
    orders = Requests(stream.events, baskets, plan.k, clock)
    parts = []
    for start, stop in cuts(len(stream.events), {*requests.places, *orders.places}):
        events = stream.events[start:stop]
        part = recommender.learn_events(events, [event.timestamp for event in events], facts, groups=groups)
        parts.append(part._replace(places=part.places + start))
        requests.ask(recommender, stop)
        orders.ask(recommender, stop)
        if tick is not None:
            tick(stop)
    return PrequentialRun(
        joined(parts),
        {name: [shown for shown in lists if shown] for name, lists in requests.lists.items()},
        orders.lists,
        recommender.scores(),
        recommender.chosen,
        _learning(stream, plan, settings, clock),
        requests.seconds_per_list(),
        memory_of(recommender.state),
    )


def _new_recommender(
    stream: Stream, plan: Plan, settings: RecommenderOptions
) -> tuple[Recommender, Mapping[str, FactsLike]]:
    """Make a recommender that knows only the catalogue, and the facts it looks up at an item's first event."""
    recommender = Recommender(new_state(settings, plan.seed), settings)
    recommender.describe(stream.catalogue.items())
    return recommender, {**stream.catalogue, **stream.facts}


def _learning(stream: Stream, plan: Plan, settings: RecommenderOptions, clock: Callable[[], float]) -> float:
    """Measure seconds per event of learning alone, with the lists that train the rankers."""
    recommender, facts = _new_recommender(stream, plan, replace(settings, test_every=_NEVER))
    events = stream.events[:TIMED]
    times = [event.timestamp for event in events]
    began = clock()
    for start in range(0, len(events), CHUNK):
        recommender.learn_events(events[start : start + CHUNK], times[start : start + CHUNK], facts)
    return (clock() - began) / max(len(events), 1)


def cuts(events: int, places: AbstractSet[int]) -> list[tuple[int, int]]:
    """Return (start, stop) of every batch: short enough to report progress, and ending where a list is wanted.

    >>> cuts(10, {0, 4})
    [(0, 4), (4, 10)]
    """
    ends = sorted({*places, *range(CHUNK, events, CHUNK), events} - {0})
    return list(zip([0, *ends[:-1]], ends, strict=True))


class Requests:
    """Collects every contender's lists, as `/recommend` would give them just before some of the events.

    Args:
        events: The stream.
        places: Places of the events before which lists are made.
        k: Length of a list.
        clock: A monotonic clock, in seconds.
    """

    def __init__(self, events: Sequence[EventLike], places: Sequence[int], k: int, clock: Callable[[], float]) -> None:
        self._events, self.places, self._k, self._clock = events, frozenset(places), k, clock
        self._pasts = _pasts(events, places)
        self._seconds = dict.fromkeys(CONTENDERS, 0.0)
        self.lists: dict[str, list[list[str]]] = {name: [] for name in CONTENDERS}

    def ask(self, recommender: Recommender, place: int) -> None:
        """Ask every contender for the list of the user of the event at `place`, which is not learned yet."""
        if place not in self.places:
            return
        past, now = self._pasts[place], self._events[place].timestamp
        items, times, kinds = [e.item_id or "" for e in past], [e.timestamp for e in past], [e.kind for e in past]
        # The first call fetches the memory that all of them read. It is not timed, so that no contender pays for it.
        recommender.rank(items, times, kinds, now, self._k)
        for name in CONTENDERS:
            by = None if name == "served" else name
            began = self._clock()
            shown = recommender.rank(items, times, kinds, now, self._k, by=by).items
            self._seconds[name] += self._clock() - began
            self.lists[name].append(shown)

    def seconds_per_list(self) -> dict[str, float]:
        """Return the seconds that each contender took per list; 0 if no list was wanted."""
        return {name: spent / max(len(self.places), 1) for name, spent in self._seconds.items()}


def _pasts(events: Sequence[EventLike], places: Sequence[int]) -> dict[int, list[EventLike]]:
    """Return the history of the user before the event at each place, newest first."""
    users = {events[place].user_id for place in places}
    wanted = set(places)
    past: dict[str, list[EventLike]] = {user: [] for user in users}
    found = {}
    for place, event in enumerate(events):
        if place in wanted:
            found[place] = past[event.user_id][: -RING - 1 : -1]
        if event.user_id in past and is_history(event):
            past[event.user_id].append(event)
    return found


def memory_of(state: State) -> int:
    """Count the bytes of all tables and ids: a dictionary entry, a list slot and a string for each id."""
    arrays = sum(values.nbytes for table in state.tables.values() for values in table.columns.values())
    ids = sum(110 + 8 + 49 + len(key) for keys in state.keys.values() for key in keys.rows)
    return int(arrays + ids)
