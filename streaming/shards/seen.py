"""Tested events on their way from a shard to the coordinator's referee: named arrays next to its rows."""

from __future__ import annotations

from typing import Final

import numpy as np

from models.arrays import Array
from models.recommender import EventBatch, Overwritten, Tested
from streaming.shards.crew_messages import Rows

EVENTS: Final = ("user", "item", "kind", "time", "record_time")
"""Columns of all events that the referee reads."""

TESTED: Final = ("places", "known", "ranks", "before")
"""Columns of the tested events."""


class Seen:
    """Collects the runs of one round.

    Rows of ids that are new in it are the shard's own: for the coordinator they are a few strangers.
    """

    def __init__(self) -> None:
        self._runs: list[tuple[EventBatch, Tested, Overwritten]] = []

    def watch(self, events: EventBatch, tested: Tested, found: Overwritten) -> None:
        """Take one run of learned events, as `learn_events` shows it."""
        self._runs.append((events, tested, found))

    def take(self) -> Rows:
        """The runs as one; none afterwards."""
        runs, self._runs = self._runs, []
        if not runs:
            return {}
        starts = np.cumsum([0, *(len(events.user) for events, _, _ in runs[:-1])])
        rows = {name: np.concatenate([getattr(events, name) for events, _, _ in runs]) for name in EVENTS}
        rows["places"] = np.concatenate([
            tested.places + start for (_, tested, _), start in zip(runs, starts.tolist(), strict=True)
        ]).astype(np.int32)
        rows["known"] = np.concatenate([tested.known for _, tested, _ in runs])
        rows["ranks"] = np.concatenate([tested.ranks for _, tested, _ in runs])
        rows["before"] = np.concatenate([found.before[tested.places] for _, tested, found in runs])
        return {f"seen/{name}": values for name, values in rows.items()}


def seen(rows: Rows) -> list[tuple[EventBatch, Tested, Array]]:
    """What `Seen.take` wrote among the arrays of a part, for `EvidenceReporter.note`."""
    if "seen/user" not in rows:
        return []
    user, item, kind, time, record_time = (rows[f"seen/{name}"] for name in EVENTS)
    places, known, ranks, before = (rows[f"seen/{name}"] for name in TESTED)
    none = np.full(len(user), -1, np.int32)
    blank = np.zeros(len(user))
    events = EventBatch(user, item, none, kind, time, record_time, blank, blank.astype(np.float32))
    return [(events, Tested(places, known, ranks), before)]


__all__ = ["Seen", "seen"]
