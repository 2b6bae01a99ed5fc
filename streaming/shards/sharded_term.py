"""Runs one term in which several shards learn: merges what they hand in, and cuts versions of the whole. Stages 2 to 5.

A turn, and what a crash of the coordinator at each point means; the next one begins at the newest version every time:

    1 parts are there   all shards have learned for a second; only they and this process know of it. What they told each
                        other meanwhile is kept apart from the model until now.
    2 merged            the same: the coordinator's model is in memory.
    3 counted           the same: so are its offsets.
    4 orders            orders and item facts were carried out while all shards stood still; they are records as well,
                        below offsets that no version holds, and are carried out again, to the same end.
    5 handed back       shards learn on from rows that no version holds: they begin again with the next coordinator.

`failpoint("merge.N")` is called there. A version that is cut then has the points of `streaming.checkpoint.writer`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final

from models.ledger.progress import DIGEST_MODULUS
from models.merging import Part as StatePart
from models.merging import from_arrays, merge, to_arrays
from models.records import Describe, Erase, Identify
from models.snapshot import Manifest
from models.state import Changes
from streaming.intake import PreparedBatch
from streaming.learner import Stop, Term
from streaming.learner.parts import Parts
from streaming.learner.term import AdoptionDue, LeaseLost, TermOver, TermVoid
from streaming.learning import Model, advance, learn_batch
from streaming.shards.crew import Crew
from streaming.shards.crew_messages import Fact, Person, Told, bytes_of, unpacked
from streaming.shards.handed import Handed
from streaming.shards.order_poller import OrderPoller
from streaming.shards.round import Part, Rounds
from streaming.shards.seen import seen
from streaming.shards.shard_metrics import ShardMetrics

log = logging.getLogger(__name__)

EXPERIMENTS: Final = "one learner alone counts the events of experiments"
"""Why a term of shards ends while an experiment runs."""

FAILPOINTS: Final = tuple(f"merge.{step}" for step in range(1, 6))
"""Every point at which an acceptance test ends the coordinator."""

ORDERS: Final = 0.5
"""Share of a merge interval that orders and item facts may take between two rounds; the rest waits for the next one."""


class ShardedTerm(Term):
    """For the coordinator's thread.

    Args:
        model: As it is in `version`; changed in place.
        version: What the shards begin from.
        parts: What the term works with; its source reads orders and item facts alone.
        stop: Set when the process is to end: the round under way is merged, and `run` returns.
        crew: Carries calls to the shards.
        metrics: Shows what the shards do.
        ready: Called when every shard has begun for the first time.
        alone: Called when one learner alone must go on.
        point: Called with the name of each point of a merge, for crash tests.
    """

    _poller: OrderPoller

    def __init__(
        self,
        model: Model,
        version: Manifest,
        parts: Parts,
        stop: Stop,
        crew: Crew,
        metrics: ShardMetrics,
        ready: Callable[[], None] = lambda: None,
        alone: Callable[[], None] = lambda: None,
        point: Callable[[str], None] = lambda _: None,
    ) -> None:
        super().__init__(model, parts, stop)
        learner = parts.settings.learner
        self._version, self._metrics, self._ready, self._alone = version, metrics, ready, alone
        self._point = point
        self._rounds = Rounds(
            crew,
            model,
            learner.shards,
            learner.merge_interval,
            learner.merge_events,
            learner.shard_patience,
            learner.partial_events,
            learner.merge_share,
            parts.settings.topic("events"),
            metrics.missing,
            metrics.recovered,
            metrics.told,
            parts.monotonic,
        )
        self._handed = Handed(model.state)
        self._all_there = False
        self._unreadable: dict[int, list[tuple[str, str]]] = {}

    def _make_poller(self) -> OrderPoller:
        return OrderPoller(self._parts, self._model, self._stop)

    def run(self) -> None:
        """Learn until asked to stop.

        Raises:
            LeaseLost: Another learner may have the lease.
            AdoptionDue: A new term must begin with another model.
            TermOver: One learner alone must go on from what is merged.
            TermVoid: One learner alone must go on from the newest version.
        """
        if self._parts.experiments.running(self._parts.wall()):
            self._alone()
            raise TermOver(EXPERIMENTS)
        self._model.state.forget_changes()  # the shards load what the version has
        self._poller.start()
        self._rounds.start(self._version)
        self._parts.telemetry.split.set(1)
        try:
            while not self._stop.is_set():
                self._turn()
        except (TermOver, TermVoid):
            self._alone()
            raise
        finally:
            self._handed.mark_again()
            self._parts.telemetry.split.set(0)
            self._poller.close()

    @property
    def cannot_read(self) -> str:
        """What the log holds that cannot be read; "" when there is nothing. For any thread."""
        texts = [text for found in list(self._unreadable.values()) for _, text in found]
        return min(texts, default=super().cannot_read)

    def cut(self, known: Changes | None = None, *, last: bool = False) -> bool:
        """Cut a version; False when Redis or Kafka must first take what belongs before it."""
        if self._handed:
            self._handed.mark_again()
            known = None  # there is more than that
        cut = super().cut(known, last=last)
        self._rounds.cut()
        return cut

    def _turn(self) -> None:
        if self._parts.experiments.running(self._parts.wall()):
            raise TermOver(EXPERIMENTS)
        parts = self._rounds.learn(self._alive)
        self._rounds.committed(self._parts.checkpointer.last)
        if not self._all_there and self._rounds.learning == self._rounds.shards:
            self._all_there = True
            self._ready()
        self._stop_for_trouble(parts)
        if parts:
            self._point("merge.1")
            self._merge(parts)
            self._point("merge.3")
        told, known = self._carry_out_orders(), None
        if parts or told is not None:
            self._point("merge.4")
            known = self._hand_back(told or Told())
            self._point("merge.5")
        self._parts.evidence.idle()
        if self._cutter.due:
            self.cut(known)
        elif known is not None:
            self._handed.put_aside(known)

    def _alive(self) -> bool:
        """Whether to wait for the shards. A round that is under way when the process is to end is still merged."""
        if not self._parts.leadership.held():
            raise LeaseLost
        if self._parts.adoption.due(self._model.progress):
            raise AdoptionDue
        if self._parts.live_writer.repairing:
            raise TermVoid("Redis holds less than was written to it, and one learner alone writes it again")
        return not self._stop.is_set() or self._stop.remaining() > self._parts.settings.learner.shutdown_grace / 2

    @staticmethod
    def _stop_for_trouble(parts: Sequence[Part]) -> None:
        for part in parts:
            if part.report.trouble:
                raise TermVoid(f"shard {part.shard} cannot go on, one learner alone can: {part.report.trouble}")

    def _merge(self, parts: Sequence[Part]) -> None:
        model, clock, shards = self._model, self._parts.monotonic, self._rounds.shards
        started = clock()
        rows = [StatePart(part.shard, shards, from_arrays(part.rows)) for part in parts]
        merge(model.state, rows, self._rounds.excerpts)
        model.recommender.settle()
        self._metrics.phase("merge", clock() - started)
        self._point("merge.2")
        for part in parts:
            batch = self._count(part)
            self._cutter.learned(batch)
            self._report(batch)
            asked = part.report.answers, part.report.questions
            self._parts.evidence.note(model.state, seen(part.rows), batch.by_the_shop(), *asked)
            self._parts.attributor.offer_named(part.report.named)
            self._metrics.reported(part)
            self._unreadable[part.shard] = part.report.unreadable
        self._metrics.unreadable(kind for found in self._unreadable.values() for kind, _ in found)

    def _count(self, part: Part) -> PreparedBatch:
        """Add what a shard consumed to the model's progress; the same as a batch, for those who count and measure."""
        report, progress, admission = part.report, self._model.progress, self._model.admission
        more = report.progress
        admission.extend(unpacked(report.window))
        offsets: list[tuple[str, int, list[int], float]] = []
        for topic, places in more.offsets.items():
            known = progress.offsets.setdefault(topic, {})
            for partition, offset in places.items():
                taken = report.record_times.get(partition, 0.0)
                read = list(range(offset - report.counts.get(partition, 0), offset))  # as many as were read
                offsets.append((topic, partition, read, taken))
                known[partition] = offset
        progress.consumed += more.consumed
        progress.digest = (progress.digest + more.digest) % DIGEST_MODULUS
        progress.spread += more.spread
        for outcome, count in more.outcomes.items():
            progress.count(outcome, count)
        progress.watermark = max(progress.watermark, more.watermark)
        progress.arrivals = admission.position
        batch = PreparedBatch(record_times=report.times, offsets=offsets, outcomes=more.outcomes, public=report.public)
        batch.refused, batch.full = report.refused, report.full
        batch.left_out.update(report.left_out)
        batch.letters, batch.live_number = self._parts.dead_letters.accepted, self._parts.live_writer.flushed
        return batch

    def _carry_out_orders(self) -> Told | None:
        """Take what was read of orders and item facts, while no shard learns.

        Returns:
            What the shards must know of it; None when there was nothing.
        """
        told, clock, found = Told(), self._parts.monotonic, False
        self._parts.live_writer.flush()  # what waits for a Redis that was away
        limit = clock() + ORDERS * self._parts.settings.learner.merge_interval
        while (batch := self._poller.prepared()) is not None:
            self._carry_out_batch(batch, told)
            found = True
            if clock() > limit:
                break
        return told if found else None

    def _carry_out_batch(self, batch: PreparedBatch, told: Told) -> None:
        if not all(isinstance(ordered.order, Erase | Identify | Describe) for ordered in batch.orders):
            raise TermOver("one learner alone carries out orders about quarantines")
        learn_batch(self._model, batch, self._carry_out)
        advance(self._model.progress, batch)
        self._cutter.learned(batch)
        self._report(batch)
        for ordered in batch.orders:
            order, joined = ordered.order, ordered.joined
            if isinstance(order, Erase):
                told.people.append(Person(ordered.users or (order.user,), ordered.at))
            elif joined is not None and joined.outcome == "joined" and isinstance(order, Identify):
                told.people.append(Person(anonymous=order.anonymous, user=order.user))
        facts = self._model.catalogue.facts
        for item in dict.fromkeys(change[2] for change in batch.facts):
            known = facts.get(item)
            told.facts.append(Fact(item, False) if known is None else Fact(item, True, *known))

    def _hand_back(self, told: Told) -> Changes:
        """Give the shards what changed since the last merge.

        Where none came before it since the last version, a version that is cut now has the same rows.
        """
        started = self._parts.monotonic()
        changes = self._model.state.changed()
        rows = to_arrays(changes)
        self._rounds.merged(rows, told)
        self._metrics.phase("hand_back", self._parts.monotonic() - started)
        self._metrics.sent(bytes_of(rows))
        return changes


__all__ = ["ShardedTerm"]
