"""Reports how far the learner is behind the log, and how close the log's beginning is to it, as metrics."""

from __future__ import annotations

import logging

from streaming.learner.parts import Parts

log = logging.getLogger(__name__)

EVERY = 2.0
"""Seconds between measurements of lag: one question to each broker, a few milliseconds."""

ANSWER = 0.5
"""Seconds that Kafka has to answer that question; nothing is read meanwhile."""


class LagReporter:
    """For the thread that polls. `report` is cheap until a measurement is due."""

    def __init__(self, parts: Parts) -> None:
        self._source, self._telemetry, self._clock = parts.source, parts.telemetry, parts.monotonic
        self._refresh_interval = parts.settings.kafka.refresh_interval
        self._measure_at = self._clock()
        self._refresh_at = self._clock() + self._refresh_interval

    def report(self) -> None:
        """Measure what is due. Raises KafkaTrouble."""
        now = self._clock()
        if now >= self._measure_at:
            self._measure_at = now + EVERY
            self._measure_lag()
        if now >= self._refresh_at:
            self._refresh_at = now + self._refresh_interval
            self._look_at_log()

    def _measure_lag(self) -> None:
        measured = self._source.backlog(ANSWER)
        if measured is None:
            # Where one of several brokers is away, the partitions of the others must not wait for it each time.
            self._measure_at += self._refresh_interval
            return
        for topic, lags in measured.items():
            for partition, lag in lags.items():
                self._telemetry.lag.labels(topic, str(partition)).set(lag)

    def _look_at_log(self) -> None:
        for topic, partition in self._source.refresh_partitions():
            log.info("new partition %s[%d], read from its beginning", topic, partition)
        first, positions = self._source.beginning_offsets(), self._source.positions()
        self._telemetry.kafka_away.set(0)
        for topic, offsets in positions.items():
            for partition, offset in offsets.items():
                room = self._telemetry.headroom.labels(topic, str(partition))
                room.set(offset - first[topic][partition])


__all__ = ["LagReporter"]
