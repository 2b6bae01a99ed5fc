"""Learns the topics from their beginning into a new model, and writes it as a version under keys of its own. Stage 5.

A rebuild holds no lease on the live chain and touches nothing of it. A lease of its own allows one rebuild at a time,
and no pointer names the version it writes until a learner adopts it (streaming/versions/adoption.py).
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from models.ledger import Progress, Quarantined
from models.snapshot import Damaged
from models.state import SCHEMA
from streaming.checkpoint import Checkpointer
from streaming.consumer import Reach, RecordsByTime
from streaming.intake import KnownItems, PreparedBatch, contents_by, intake_of
from streaming.jobs.lease import lease_of
from streaming.kafka import Record, topics_read
from streaming.learning import Model, advance, learn_batch
from streaming.settings import Settings
from streaming.store import Store
from streaming.versions import PART, discard

TOGETHER: Final = 2_000
"""Records learned between two looks at the clock."""

NEAR: Final = 2_000
"""Records that may have come meanwhile: the learner that adopts the model learns them in a moment."""

ROUNDS: Final = 20
"""Times it reads on to the end. Each round is a fraction of the one before, unless records come faster than they are
learned, and then no number of rounds is enough."""

UPLOAD_SECONDS: Final = 600.0
"""Longest wait for Redis to take the version."""

BEFORE: Final = "before"
"""Outcome of events older than `since`: counted, so that the digest covers the whole log, and not learned."""

Skipped: TypeAlias = tuple[Record, str]
"""A record that is consumed and not learned, and its outcome."""


class RebuildRunsError(Exception):
    """Another rebuild holds the lease."""

    def __init__(self) -> None:
        super().__init__(
            "another rebuild runs in this namespace: wait until it is done, its progress is on its terminal"
        )


class NotRebuiltError(Exception):
    """No model was written: nothing to learn, Redis did not take it, or the rebuild was asked to stop."""


class Step(NamedTuple):
    """How far a rebuild is. `total` grows while records come in; `rate` is in records per second."""

    done: int
    total: int
    rate: float

    @property
    def left(self) -> float:
        """Seconds to go at this rate."""
        return (self.total - self.done) / max(self.rate, 1e-9)


class Rebuilt(NamedTuple):
    """A rebuilt model, ready to be adopted.

    Attributes:
        version: Id of its version, below the keys of rebuilds.
        progress: How far it has read.
        reach: How far back each partition of the log goes.
        seconds: How long the rebuild took.
    """

    version: str
    progress: Progress
    reach: list[Reach]
    seconds: float


def rebuild(
    settings: Settings, since: float, tell: Callable[[Step], None], stop: threading.Event, clock: Callable[[], float]
) -> Rebuilt:
    """Learn the topics into a new model and write a base.

    Args:
        settings: The topics, and how to reach Kafka and Redis.
        since: Leave out events whose records are older, epoch seconds.
        tell: Receives the progress after each batch.
        stop: Set to give up.
        clock: Monotonic seconds.

    Raises:
        RebuildRunsError: Another rebuild holds the lease.
        NotRebuiltError: No model was written; the message says why.
        BrokerAway, NotAllowed, TopicMissing, StoreUnavailable: Kafka or Redis cannot be used.
    """
    started = clock()
    with contextlib.ExitStack() as stack:
        store = stack.enter_context(contextlib.closing(Store.for_learner(settings).under(PART)))
        leadership = stack.enter_context(lease_of(settings, "rebuild", RebuildRunsError, PART))
        discard(store)
        with contextlib.closing(Store.for_learner(settings)) as live:
            run = RebuildRun(settings, KnownItems.of(live), since, _quarantined(live))
        reach = _learn_all(settings, run, tell, stop, clock)
        if not run.model.progress.outcomes.get("learnt"):
            raise NotRebuiltError("the topics hold no event to learn (since then): nothing has changed")
        checkpointer = stack.enter_context(contextlib.closing(Checkpointer(store, leadership.lease, SCHEMA)))
        evidence = {"rebuild": {"since": since, "reach": [each._asdict() for each in reach]}}
        version = _write(checkpointer, run.model, evidence)
    return Rebuilt(version, run.model.progress, reach, clock() - started)


class RebuildRun:
    """A model that starts empty and learns the topics, and how far it got.

    Args:
        settings: The recommender's options and the topics.
        catalogue: Facts of all items as they are now.
        since: Events from before this time, epoch seconds, are consumed and not learned.
        quarantines: Those of the live model. What they hold or have given up is not learned either.
    """

    def __init__(
        self, settings: Settings, catalogue: KnownItems, since: float, quarantines: Sequence[Quarantined] = ()
    ) -> None:
        self.model = Model.empty(settings, catalogue)
        # Positions of the live dedupe window mean nothing in ours.
        self.model.progress.quarantines = [msgspec.structs.replace(each, first=-1, last=-1) for each in quarantines]
        self._since, self._pieces = since, _pieces(quarantines)
        self.control = settings.topic("control")
        self._without_events = {settings.topic("items"), self.control}
        self.topics = topics_read(settings)
        self._intake = intake_of(settings, self.model.admission, contents_by(settings.recommender.text_model))

    def learn(self, runs: Sequence[Sequence[Record]]) -> None:
        """Learn the next records: runs of one partition each, in the order of record times."""
        learned, skipped = self._divide(runs)
        batch = self._intake.prepare(learned)
        _consume(batch, skipped)
        learn_batch(self.model, batch)
        advance(self.model.progress, batch)

    def _divide(self, runs: Sequence[Sequence[Record]]) -> tuple[Sequence[Sequence[Record]], list[Skipped]]:
        """The records to learn, and those that are only consumed."""
        if self._since <= 0.0 and not self._pieces:
            return runs, []
        learned: list[Sequence[Record]] = []
        skipped: list[Skipped] = []
        for run in runs:
            if run[0].topic in self._without_events:
                learned.append(run)
                continue
            outcomes = [(record, self._outcome(record)) for record in run]
            learned.append([record for record, outcome in outcomes if not outcome])
            skipped += [(record, outcome) for record, outcome in outcomes if outcome]
        return learned, skipped

    def _outcome(self, record: Record) -> str:
        """The outcome of a record that is consumed and not learned, "" for one that is."""
        if record.timestamp * 1e-3 < self._since:
            return BEFORE
        for start, stop, outcome in self._pieces.get((record.topic, record.partition), ()):
            if start <= record.offset < stop:
                return outcome
        return ""


def _consume(batch: PreparedBatch, skipped: Sequence[Skipped]) -> None:
    """Add records that are not learned to those that a batch consumes, each partition in the order of its offsets."""
    if not skipped:
        return
    offsets: dict[tuple[str, int], list[int]] = {}
    latest: dict[tuple[str, int], float] = {}
    one_by_one = [(record.topic, record.partition, [record.offset], 0.0) for record, _ in skipped]
    for topic, partition, places, at in [*one_by_one, *batch.offsets]:
        offsets.setdefault((topic, partition), []).extend(places)
        latest[topic, partition] = max(at, latest.get((topic, partition), 0.0))
    batch.offsets = [(*place, sorted(places), latest[place]) for place, places in offsets.items()]
    for _, outcome in skipped:
        batch.count(outcome)


def _quarantined(live: Store) -> list[Quarantined]:
    """The quarantines of the newest live version. Raises StoreUnavailable."""
    pointer = live.head()
    found = live.manifests([pointer.id])[pointer.id] if pointer is not None else None
    return [] if found is None or isinstance(found, Damaged) else found.progress.quarantines


def _pieces(quarantines: Sequence[Quarantined]) -> dict[tuple[str, int], list[tuple[int, int, str]]]:
    """The offsets that are not learned, by partition: start, stop and the outcome of the records between."""
    outcomes = {"held": "quarantined", "dropped": "dropped"}
    found: dict[tuple[str, int], list[tuple[int, int, str]]] = {}
    for each in quarantines:
        if each.state in outcomes:
            for piece in each.pieces:
                place = found.setdefault((piece.topic, piece.partition), [])
                place.append((piece.start, piece.stop, outcomes[each.state]))
    return found


def _learn_all(
    settings: Settings,
    run: RebuildRun,
    tell: Callable[[Step], None],
    stop: threading.Event,
    clock: Callable[[], float],
) -> list[Reach]:
    """Read to the end, and on to where the end has moved meanwhile; how far back each partition goes."""
    progress = run.model.progress
    reach: list[Reach] = []
    read, began = 0, clock()
    for _ in range(ROUNDS):
        with RecordsByTime(settings, run.topics, progress.offsets, run.control) as records:
            progress.cluster, progress.topics = records.identity
            for runs in records.batches(TOGETHER):
                if stop.is_set():
                    raise NotRebuiltError("stopped as asked: nothing has changed")
                run.learn(runs)
                read += sum(map(len, runs))
                tell(Step(read, read + max(0, records.total - records.done), read / max(clock() - began, 1e-9)))
            reach = reach or records.reach()
            if records.total <= NEAR:
                break
    return reach


def _write(checkpointer: Checkpointer, model: Model, evidence: dict[str, Any]) -> str:
    """Write a base; its id. Raises NotRebuiltError."""
    chosen = model.recommender.chosen
    checkpointer.cut(model.state, model.progress, model.admission, lambda: evidence, served_by=chosen, force=True)
    if not checkpointer.flush(UPLOAD_SECONDS) or checkpointer.last is None:
        raise NotRebuiltError("Redis did not take the model: nothing has changed, look at its log and memory")
    return checkpointer.last.id


__all__ = ["NotRebuiltError", "RebuildRunsError", "Rebuilt", "Step", "rebuild"]
