"""Asks the versions that Redis's pointers name about a shard's tested events, for the coordinator's referee.

The shard that tested an event asks about it, so evidence adds up over shards. What is asked travels with the round in
which the event was learned: a round that is merged nowhere leaves no evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from models.recommender import EventBatch, Overwritten, Tested
from models.referee import Answer, Referee, turn_of
from models.state import SCHEMA, State
from models.statistics import PastQuestion
from streaming.evidence import FrozenVersions
from streaming.intake import recommender_settings
from streaming.settings import Settings
from streaming.store import Store


class Panel:
    """For the shard's thread.

    Args:
        settings: Of all shards; each spends `learner.evidence_share` of its time.
        store: Where pointers and versions are.
        clock: Monotonic seconds.
    """

    def __init__(self, settings: Settings, store: Store, clock: Callable[[], float]) -> None:
        self._answers: list[Answer] = []
        self._referee = Referee(clock, settings.learner.evidence_share, self._answers.append)
        ceilings, turn = recommender_settings(settings).ceilings(), turn_of(settings.gate.anchors)
        self._frozen = FrozenVersions(store, SCHEMA, ceilings, settings.learner.evidence_bytes, clock, turn)
        self._frozen.start()

    def close(self) -> None:
        """Let go of the versions."""
        self._frozen.close()

    @property
    def spent(self) -> float:
        """Seconds spent on asking."""
        return self._referee.spent

    @contextmanager
    def learning(self) -> Iterator[None]:
        """While a batch is learned. The time that takes, without the asking, is the budget of what is asked next."""
        self._referee.compare_with(*self._frozen.current())
        with self._referee.earning():
            yield

    def ask(self, state: State, events: EventBatch, tested: Tested, found: Overwritten) -> None:
        """Ask about one run of learned events, as `learn_events` shows it."""
        self._referee.ask(state, events, tested, found, (tested.known >= 0) & found.opens[tested.places])

    def take(self) -> tuple[list[Answer], list[PastQuestion]]:
        """What was asked since the last call, and a sample of the events."""
        answers = self._answers.copy()
        self._answers.clear()
        return answers, self._referee.asked()


__all__ = ["Panel"]
