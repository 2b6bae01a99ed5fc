"""Makes Prometheus metrics on one registry, every name with the project's prefix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

PREFIX: Final = "sluicegate"


class MetricFactory:
    """Makes counters, gauges and histograms on one registry.

    >>> metrics = MetricFactory(CollectorRegistry())
    >>> metrics.counter("events_total", "Events, by outcome.", "outcome").labels("learnt").inc()
    >>> metrics.registry.get_sample_value("sluicegate_events_total", {"outcome": "learnt"})
    1.0
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        """A running total. Prometheus shows it as `<name>_total`, with or without that ending here."""
        return Counter(f"{PREFIX}_{name}", text, labels, registry=self.registry)

    def gauge(self, name: str, text: str, *labels: str) -> Gauge:
        """A figure that goes up and down."""
        return Gauge(f"{PREFIX}_{name}", text, labels, registry=self.registry)

    def histogram(self, name: str, text: str, buckets: Sequence[float], *labels: str) -> Histogram:
        """A distribution; `buckets` are the upper bounds of its bins."""
        return Histogram(f"{PREFIX}_{name}", text, labels, buckets=buckets, registry=self.registry)


__all__ = ["PREFIX", "MetricFactory"]
