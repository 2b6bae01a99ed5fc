"""Shows what the shards do: lag, rate, steps, merges, and who was missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from streaming.kafka import UNREADABLE
from streaming.shards.crew_messages import bytes_of
from streaming.shards.round import Missing, Part
from streaming.telemetry import LearnerTelemetry


class ShardMetrics:
    """For the coordinator's thread.

    Args:
        telemetry: Where the metrics are.
        shards: How many shards there are.
        topic: Name of topic `events`.
    """

    def __init__(self, telemetry: LearnerTelemetry, shards: int, topic: str) -> None:
        self._telemetry, self._shards, self._topic = telemetry, shards, topic
        self._events = [0.0] * shards
        for shard in range(shards):
            telemetry.shard(shard)

    def phase(self, name: str, seconds: float) -> None:
        """Note how long a phase of a merge took."""
        self._telemetry.merge_phase.labels(name).observe(seconds)

    def told(self, seconds: float, up: int, down: int) -> None:
        """Note a partial merge: how long it took, and the bytes of excerpts and of what every shard reads."""
        self.phase("partial", seconds)
        self._telemetry.merge_bytes.labels("up").inc(up)
        self.sent(down)

    def sent(self, count: int) -> None:
        """Note the bytes of a merge that every shard reads."""
        self._telemetry.merge_bytes.labels("down").inc(count)

    def missing(self, shard: int, why: Missing) -> None:
        """Note that a shard was started again."""
        self._telemetry.shard_restarts.labels(str(shard), why).inc()
        self._telemetry.shard_learning.labels(str(shard)).set(0)

    def recovered(self, shard: int, seconds: float) -> None:
        """Note that a missing shard learns again."""
        self._telemetry.shard_recovery.set(seconds)
        self._telemetry.shard_learning.labels(str(shard)).set(1)

    def reported(self, part: Part) -> None:
        """Note what a shard handed in."""
        label, report, telemetry = str(part.shard), part.report, self._telemetry
        telemetry.merge_bytes.labels("up").inc(bytes_of(part.rows))
        telemetry.merge_phase.labels("take").observe(report.taking)
        telemetry.merge_phase.labels("apply").observe(report.applying)
        events = report.progress.outcomes.get("learnt", 0)
        telemetry.shard_events.labels(label).inc(events)
        if events:
            telemetry.shard_step.labels(label).set(report.learning / events)
        telemetry.shard_lag.labels(label).set(sum(report.lag.values()))
        telemetry.shard_learning.labels(label).set(1)
        for partition, lag in report.lag.items():
            telemetry.lag.labels(self._topic, str(partition)).set(lag)
        self._skew(part.shard, events)

    def unreadable(self, kinds: Iterable[str]) -> None:
        """Note partitions whose next batch cannot be read, by what is wrong."""
        counts = Counter(kinds)
        for kind in UNREADABLE:
            self._telemetry.unreadable.labels(kind).set(counts[kind])

    def _skew(self, shard: int, events: int) -> None:
        """How many times its fair share of the events the busiest shard has, fading by merges."""
        self._events[shard] = self._events[shard] * 0.9 + events
        total = sum(self._events)
        if total:
            self._telemetry.shard_skew.set(max(self._events) * self._shards / total)


__all__ = ["ShardMetrics"]
