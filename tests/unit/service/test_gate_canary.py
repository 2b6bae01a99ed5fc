"""Canary queries do not disturb requests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.recommender.recommender import Recommender, new_state
from models.recommender.scratch import new_scratch
from models.recommender.types import RecommenderOptions
from service.gate.canary import contrast

SETTINGS = RecommenderOptions(items=500, users=60, categories=20, brands=20, test_every=1)


@dataclass
class Seen:
    """A click as the recommender reads it."""

    user_id: str
    item_id: str
    timestamp: float
    kind: int = 0
    price: float | None = None


def taught(count: int) -> Recommender:
    recommender = Recommender(new_state(SETTINGS), SETTINGS)
    events = [Seen(f"u{number % 7}", f"i{number * 3 % 40}", 1.7e9 + number) for number in range(count)]
    recommender.learn_events(events, [event.timestamp for event in events])
    return recommender


def test_comparing_with_the_served_tables_does_not_touch_the_working_memory_of_requests() -> None:
    """The event loop ranks on the served tables at the same time: shared memory gave rows beyond their end."""
    served, candidate = taught(200), taught(260)
    served.rank(["i3", "i6"], [1.7e9 + 300, 1.7e9 + 299], [0, 0], 1.7e9 + 301)
    before = [np.array(array) for part in served._scratch.lent.view for array in part]
    common = contrast(served, candidate, candidate.state, 6, 1.7e9 + 400, new_scratch())["overlap"]
    assert 0.0 < common <= 1.0
    for old, array in zip(before, (array for part in served._scratch.lent.view for array in part), strict=True):
        np.testing.assert_array_equal(array, old)
    same = contrast(served, served, served.state, 6, 1.7e9 + 400, new_scratch())
    assert same == {"overlap": 1.0, "score_psi": 0.0, "score_ks": 0.0}
