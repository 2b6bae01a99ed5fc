"""Measures how often the first 20 of a version hold the next item of a user, on clean events of a made-up shop."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from models.recommender.recommender import Recommender
from models.recommender.scratch import new_scratch
from models.records.events import KINDS
from models.state.state import State
from tests.support.streams.streams import Planned

POSITIVE = ("click", "favourite", "cart", "purchase")
# Events of a history, newest first, and number of questions.
LENGTH, ASKED = 20, 500
DEPTH = 20


class Question(NamedTuple):
    """A history, newest first, and the item that followed."""

    items: list[str]
    times: list[float]
    kinds: list[int]
    now: float
    item: str


class Probe:
    """Questions from clean traffic that nothing learns from, the same for every version."""

    def __init__(self, shop: object, planned: list[Planned]) -> None:
        self.questions = questions(planned)[-ASKED:]
        assert len(self.questions) == ASKED, f"{len(self.questions)} questions: give more events of {shop}"

    def hit_rate(self, state: State) -> float:
        """Returns the share of the questions whose answer holds the item that followed."""
        recommender, scratch = Recommender(state), new_scratch()
        hits = 0
        for asked in self.questions:
            known = asked.items, asked.times, asked.kinds
            hits += asked.item in recommender.rank(*known, asked.now, DEPTH, scratch=scratch).items
        return hits / len(self.questions)


def questions(planned: list[Planned]) -> list[Question]:
    """Makes a question of every positive event on another item than the one before."""
    past: dict[str, list[tuple[str, float, int]]] = defaultdict(list)
    found = []
    for each in planned:
        event = each.event
        if "item_id" not in event or event["event_type"] not in POSITIVE:
            continue
        history = past[event["user_id"]]
        if len(history) >= 3 and history[0][0] != event["item_id"]:
            items, times, kinds = zip(*history[:LENGTH], strict=True)
            found.append(Question([*items], [*times], [*kinds], event["timestamp"], event["item_id"]))
        history.insert(0, (event["item_id"], event["timestamp"], KINDS.index(event["event_type"])))
    return found
