"""Feeds a replay under gate policies with the topics, or with a log. Stage 6.

Decoding, admission and the catalogue are the learner's own. Redis is read for item facts alone, and nothing is written.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from models.evaluation import Stream
from models.ledger import Admission
from models.recommender import Groups
from models.replay import Replay
from streaming.consumer import RecordsByTime
from streaming.evidence import BAD
from streaming.intake import KnownItems, PreparedBatch, admission_rules, contents_by, intake_of
from streaming.kafka import ROLES_READ, Record, topics_read
from streaming.learning import Model, learn_batch
from streaming.settings import Settings
from streaming.store import Store

POLLED: Final = 2_000
"""Records that are decoded together."""

Tick = Callable[[float], None]
"""Receives the share that is done."""

Runs = list[list[Record]]
"""Records of one partition each, in the order of their offsets."""


def replay_topics(settings: Settings, replay: Replay, until: float, tick: Tick) -> dict[str, Any]:
    """Learn all topics, `control` first.

    Args:
        settings: The topics, and how to reach Kafka and Redis.
        replay: Learns the events.
        until: Epoch seconds; later records are left out.
        tick: Receives the share that is done.

    Returns:
        The names of the topics, how far back each partition goes, the number of records by outcome, and how many were
        out of order.

    Raises:
        BrokerAway, NotAllowed, TopicMissing, StoreUnavailable: Kafka or Redis cannot be used.
    """
    topics: dict[str, str] = {role: settings.topic(role) for role in ROLES_READ}
    outcomes: dict[str, int] = {}
    with contextlib.closing(Store.for_learner(settings)) as store:
        catalogue = KnownItems.of(store)
    model = Model(replay.recommender, Admission(admission_rules(settings)), catalogue)

    def learn_events(batch: PreparedBatch, model: Model) -> None:
        replay.learn(batch.events, batch.record_times, model.catalogue.facts, model.catalogue.groups)

    with RecordsByTime(settings, topics_read(settings), {}, first=topics["control"]) as records:
        intake = intake_of(settings, model.admission, contents_by(settings.recommender.text_model))
        for runs in before(records.batches(POLLED), until):
            batch = intake.prepare(runs)
            learn_batch(model, batch, learn_events=learn_events)
            judged = batch.by_the_shop()
            replay.count_records(sum(judged.get(outcome, 0) for outcome in BAD), judged.get("duplicate", 0))
            for outcome, count in (batch.outcomes | {"learnt": len(batch.events)}).items():
                outcomes[outcome] = outcomes.get(outcome, 0) + count
            tick(records.done / max(records.total, 1))
        reach = [each._asdict() for each in records.reach()]
        return {"topics": topics, "reach": reach, "outcomes": outcomes, "disordered": records.disordered}


def before(batches: Iterable[Runs], until: float) -> Iterator[Runs]:
    """The batches whose records are not later than `until` (epoch seconds)."""
    for runs in batches:
        kept = [[record for record in run if record.timestamp * 1e-3 <= until] for run in runs]
        found = [run for run in kept if run]
        if found:
            yield found
        if sum(map(len, found)) < sum(map(len, runs)):
            return


def replay_stream(stream: Stream, replay: Replay, until: float, tick: Tick) -> None:
    """Learn a log that was read from a file. The time of each event stands for the time of its record."""
    replay.recommender.describe(stream.catalogue.items())
    facts, groups = {**stream.catalogue, **stream.facts}, Groups.of(stream.catalogue.items())
    for start in range(0, len(stream.events), POLLED):
        events = [event for event in stream.events[start : start + POLLED] if event.timestamp <= until]
        if not events:
            return
        replay.learn(events, [event.timestamp for event in events], facts, groups)
        tick(start / len(stream.events))


__all__ = ["before", "replay_stream", "replay_topics"]
