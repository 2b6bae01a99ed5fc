"""In: the topics from their beginning. Out: a fresh model beside the live one, a version under its own keys. Stage 5.

It has no lease on the live chain and touches nothing of it: its own lease says that one rebuild runs at a time, and
what it writes is named by nobody until a learner adopts it (streaming/versions/adoption.py).
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from models.ledger import Admission, Progress, Quarantined
from models.recommender import Recommender, new_state
from models.snapshot import Damaged
from models.state import SCHEMA
from streaming.checkpoint import Checkpointer
from streaming.consumer import Reach, RecordsByTime
from streaming.intake import Intake, KnownItems, PreparedBatch, admission_rules, contents_by, recommender_settings
from streaming.jobs.replay import erased
from streaming.kafka import ROLES_READ, Record, topics_read
from streaming.live import stored_facts
from streaming.settings import Settings
from streaming.store import Leadership, Store
from streaming.versions import PART, discard

TOGETHER: Final = 2_000
"""Records learnt between two looks at the clock."""

NEAR: Final = 2_000
"""Records that may have come meanwhile: the learner that adopts the model learns them in a moment."""

ROUNDS: Final = 20
"""Times that it reads on to the end: each is a fraction of the one before, unless records come faster than they are
learnt, and then no number of rounds is enough."""

UPLOAD_SECONDS: Final = 600.0
"""Longest wait for Redis to take the version."""

BEFORE: Final = "before"
"""Outcome of events older than `since`: counted, so that the digest covers the whole log, and not learnt."""


class RebuildRunsError(Exception):
    """Another rebuild holds the lease."""

    def __init__(self) -> None:
        super().__init__(
            "another rebuild runs in this namespace: wait until it is done, its progress is on its terminal"
        )


class NotRebuiltError(Exception):
    """There is no version: Redis did not take it, or it was asked to stop."""


class Step(NamedTuple):
    """How far it is. `total` may grow while records come in; `rate` in records a second."""

    done: int
    total: int
    rate: float

    @property
    def left(self) -> float:
        """Seconds to go at this rate."""
        return (self.total - self.done) / max(self.rate, 1e-9)


class Rebuilt(NamedTuple):
    """A fresh model, ready to be adopted."""

    version: str
    progress: Progress
    reach: list[Reach]
    seconds: float


def rebuild(
    settings: Settings, since: float, tell: Callable[[Step], None], stop: threading.Event, clock: Callable[[], float]
) -> Rebuilt:
    """Learn the topics, events from before `since` (epoch seconds) left out, and write a base.

    Raises RebuildRunsError, NotRebuiltError, BrokerAway, NotAllowed, TopicMissing, StoreUnavailable.
    """
    started = clock()
    with contextlib.ExitStack() as stack:
        store = stack.enter_context(contextlib.closing(Store.for_learner(settings).under(PART)))
        leadership = stack.enter_context(_lease(settings))
        discard(store)
        with contextlib.closing(Store.for_learner(settings)) as live:
            fresh = RebuildRun(settings, KnownItems(stored_facts(live)), since, _quarantined(live))
        reach = _learn_all(settings, fresh, tell, stop, clock)
        if not fresh.progress.outcomes.get("learnt"):
            raise NotRebuiltError("the topics hold no event to learn (since then): nothing has changed")
        checkpointer = stack.enter_context(contextlib.closing(Checkpointer(store, leadership.lease, SCHEMA)))
        version = _written(
            checkpointer, fresh, {"rebuild": {"since": since, "reach": [each._asdict() for each in reach]}}
        )
    return Rebuilt(version, fresh.progress, reach, clock() - started)


class RebuildRun:
    """A model that starts empty, and how far it got."""

    def __init__(
        self, settings: Settings, catalogue: KnownItems, since: float, quarantines: Sequence[Quarantined] = ()
    ) -> None:
        mine = recommender_settings(settings)
        self.state = new_state(mine, settings.recommender.seed)
        self.recommender = Recommender(self.state, mine)
        self.progress, self.admission = Progress(), Admission(admission_rules(settings))
        self._catalogue, self._since = catalogue, since
        # Positions of the live dedupe window mean nothing in ours.
        self.progress.quarantines = [msgspec.structs.replace(each, first=-1, last=-1) for each in quarantines]
        self._pieces = _pieces(quarantines)
        self.topics: dict[str, str] = {role: settings.topic(role) for role in ROLES_READ}
        self.read = topics_read(settings)
        contents = contents_by(settings.recommender.text_model)
        # What is refused is among the dead letters already, since the live learner read it.
        rules = settings.events.rules()
        self._intake = Intake(rules, self.admission, self.topics, lambda *_: None, contents, settings.mappings())

    def learn(self, runs: Sequence[Sequence[Record]]) -> None:
        """The next records, in the learner's own order: orders, facts, events."""
        passed = [
            (record, outcome)
            for run in runs
            if self._choosy(run)
            for record in run
            if (outcome := self._outcome(record))
        ]
        if passed:
            runs = [[r for r in run if not (self._choosy(run) and self._outcome(r))] for run in runs]
        batch = self._intake.prepare(runs)
        self.recommender.remove("user", erased(batch))
        if batch.facts:
            self._catalogue.take(self.recommender, batch.facts, batch.contents)
        if batch.events:
            self.recommender.learn_events(batch.events, batch.record_times, self._catalogue.facts)
        self._advance(batch, passed)

    def _choosy(self, run: Sequence[Record]) -> bool:
        no_events = (self.topics["items"], self.topics["control"])
        return run[0].topic not in no_events and (self._since > 0.0 or bool(self._pieces))

    def _outcome(self, record: Record) -> str:
        """The outcome of a record that is consumed and not learnt, "" for one that is."""
        if record.timestamp * 1e-3 < self._since:
            return BEFORE
        for start, stop, outcome in self._pieces.get((record.topic, record.partition), ()):
            if start <= record.offset < stop:
                return outcome
        return ""

    def _advance(self, batch: PreparedBatch, passed: Sequence[tuple[Record, str]]) -> None:
        progress = self.progress
        offsets: dict[tuple[str, int], list[int]] = {}
        latest: dict[tuple[str, int], float] = {}
        skipped = [(record.topic, record.partition, [record.offset], record.timestamp * 1e-3) for record, _ in passed]
        for topic, partition, places, at in [*skipped, *batch.offsets]:
            offsets.setdefault((topic, partition), []).extend(places)
            latest[topic, partition] = max(at, latest.get((topic, partition), 0.0))
        for (topic, partition), places in offsets.items():
            progress.advance(topic, partition, sorted(places), latest[topic, partition])
        for outcome, count in (batch.outcomes | {"learnt": len(batch.events)}).items():
            progress.count(outcome, count)
        for _, outcome in passed:
            progress.count(outcome)
        progress.arrivals, progress.erasures = batch.arrivals, batch.erasures


def _quarantined(live: Store) -> list[Quarantined]:
    """The quarantines of the newest live version. Raises StoreUnavailable."""
    pointer = live.head()
    found = live.manifests([pointer.id])[pointer.id] if pointer is not None else None
    return [] if found is None or isinstance(found, Damaged) else found.progress.quarantines


def _pieces(quarantines: Sequence[Quarantined]) -> dict[tuple[str, int], list[tuple[int, int, str]]]:
    """Where nothing is learnt, by partition: start, stop, and the outcome of what lies between."""
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
    fresh: RebuildRun,
    tell: Callable[[Step], None],
    stop: threading.Event,
    clock: Callable[[], float],
) -> list[Reach]:
    """Read to the end, and again to where the end has moved meanwhile; how far back the log reached."""
    reach: list[Reach] = []
    read, began = 0, clock()
    for _ in range(ROUNDS):
        with RecordsByTime(settings, fresh.read, fresh.progress.offsets, fresh.topics["control"]) as past:
            fresh.progress.cluster, fresh.progress.topics = past.identity
            for runs in past.batches(TOGETHER):
                if stop.is_set():
                    raise NotRebuiltError("stopped as asked: nothing has changed")
                fresh.learn(runs)
                read += sum(map(len, runs))
                tell(Step(read, read + max(0, past.total - past.done), read / max(clock() - began, 1e-9)))
            reach = reach or past.reach()
            if past.total <= NEAR:
                break
    return reach


def _written(checkpointer: Checkpointer, fresh: RebuildRun, evidence: dict[str, Any]) -> str:
    chosen = fresh.recommender.chosen
    checkpointer.cut(fresh.state, fresh.progress, fresh.admission, evidence, served_by=chosen, force=True)
    if not checkpointer.flush(UPLOAD_SECONDS) or checkpointer.last is None:
        raise NotRebuiltError("Redis did not take the model: nothing has changed, look at its log and memory")
    return checkpointer.last.id


@contextlib.contextmanager
def _lease(settings: Settings) -> Iterator[Leadership]:
    """The lease on rebuilding, renewed until the end."""
    with contextlib.closing(Store.for_lease(settings).under(PART)) as leases:
        lease = leases.acquire_lease(f"rebuild-{secrets.token_hex(4)}", settings.learner.lease_ttl)
        if lease is None:
            raise RebuildRunsError
        leadership = Leadership(leases, lease, settings.learner.lease_renewal, time.monotonic)
        with contextlib.closing(leadership):
            yield leadership


__all__ = ["NotRebuiltError", "RebuildRunsError", "Rebuilt", "Step", "rebuild"]
