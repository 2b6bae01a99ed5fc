"""Decides when several learners share the stream, and what they cannot do yet."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from typing import Final

import numpy as np

from models import dimensions as dim
from models.snapshot import Manifest
from streaming.checkpoint import failpoint
from streaming.learner import Stop
from streaming.learner.parts import Parts
from streaming.learning import Model
from streaming.settings import Settings
from streaming.shards.crew import Crew
from streaming.shards.shard_metrics import ShardMetrics
from streaming.shards.sharded_term import ShardedTerm
from streaming.telemetry import LearnerTelemetry

TESTED: Final = 2_000
"""Tested events from which on the ranker's lead counts: with fewer, a lucky start would split a model that is empty."""

ROUNDS: Final = 100
"""Rounds of events that one learner learns before the stream is split: what a shard hears of the others only after a
round is then a hundredth of what it knows. A twentieth costs a small model one to two hits of a hundred."""

ALONE: Final = 10.0
"""Seconds for which one learner goes on alone after something that shards cannot do."""


class NotWithShards(Exception):
    """The settings ask for something that shards cannot do. The message says what, why, and what to do."""


def check(settings: Settings) -> None:
    """Refuse settings that do not work with more than one shard, and a missing Ray. Raises NotWithShards."""
    if settings.learner.shards == 1:
        return
    if importlib.util.find_spec("ray") is None:
        raise NotWithShards(
            "learner.shards is above 1, which needs Ray: pip install 'sluicegate[ray]', or set learner.shards to 1"
        )
    if settings.update.mode == "batch":
        raise NotWithShards(
            "learner.shards is above 1 and update.mode is batch: the passes of a training go over all events of a "
            "batch, which no shard has. Use one shard, or update.mode event"
        )
    if settings.mapped_topics:
        raise NotWithShards(
            f"learner.shards is above 1 and [[mapping]] reads topic {settings.mapped_topics[0]!r}: its partitions "
            "divide the users otherwise than those of topic events, so two shards would own one user. Use one shard, "
            "or have its records written to topic events"
        )


class Splitting:
    """When the stream is split: the model is past its bootstrap and has learned enough, or the settings say so.

    With a model that knows little, each shard meets what the others have just seen as news: cold starts lose most.

    Args:
        settings: How many shards there are, and when to split.
        crew: Carries calls to the shards.
        telemetry: Shows what they do.
        clock: Monotonic seconds.
        point: Called with the name of each point of a merge; by default it ends the process at the settings' failpoint.
    """

    def __init__(
        self,
        settings: Settings,
        crew: Crew,
        telemetry: LearnerTelemetry,
        clock: Callable[[], float] = time.monotonic,
        point: Callable[[str], None] | None = None,
    ) -> None:
        self._settings, self._crew, self._clock = settings, crew, clock
        self._point = point or failpoint(settings.failpoint)
        self._metrics = ShardMetrics(telemetry, settings.learner.shards, settings.topic("events"))
        self._events = settings.topic("events")
        self._alone_until = float("-inf")

    @property
    def reason(self) -> str:
        """Why a term of one learner ends when the stream is split, for the log."""
        return f"{self._settings.learner.shards} shards share the stream from here on"

    def due(self, model: Model, version: Manifest | None) -> bool:
        """Whether the stream is to be split now; `version` is the newest one of the model."""
        if version is None or self._clock() < self._alone_until:
            return False
        learner = self._settings.learner
        if learner.split_when == "start":
            return True
        return past_bootstrap(model) and learned_enough(model, learner.merge_interval, learner.merge_events)

    def owned(self, topic: str, partition: int) -> bool:  # noqa: ARG002 - every partition of a topic alike
        """Whether the coordinator reads a partition itself: those of orders and item facts."""
        return topic != self._events

    def term(self, model: Model, version: Manifest, parts: Parts, stop: Stop, ready: Callable[[], None]) -> ShardedTerm:
        """A term in which the shards learn, from `version` on."""
        return ShardedTerm(model, version, parts, stop, self._crew, self._metrics, ready, self.stay_alone, self._point)

    def stay_alone(self) -> None:
        """Let one learner go on alone for a while."""
        self._alone_until = self._clock() + ALONE


def past_bootstrap(model: Model) -> bool:
    """Whether the ranker orders slates, because it has beaten the best single source over enough tested events."""
    served = model.state.served
    tested = int(np.asarray(served.race.tested)[dim.RANKER])
    return int(served.chosen.contender[0]) == dim.RANKER and tested >= TESTED


def learned_enough(model: Model, interval: float, most: int) -> bool:
    """Whether the model has learned `ROUNDS` rounds of events.

    Args:
        model: The model.
        interval: Seconds of a round.
        most: Events of a round, at most.
    """
    seconds_between = float(model.state.tables["progress"].columns["interval"][0])  # recent records
    return model.recommender.counters()["applied"] >= ROUNDS * min(most, interval / seconds_between)


__all__ = ["ALONE", "ROUNDS", "TESTED", "NotWithShards", "Splitting", "check", "learned_enough", "past_bootstrap"]
