"""What tests read from /metrics: the same as by prometheus_client's own parser, and as little as they ask for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from streaming.learner import MetricsServer
from tests.support.processes.roles import Process, samples

AWKWARD = ('a "quoted" one', "back\\slash", "two\nlines", "{braces}, commas=equal", "", "ends in }", "\\n and \u2028")


@pytest.fixture
def registry() -> CollectorRegistry:
    """One metric of each kind, with labels that need escapes and values that are no decimals."""
    made = CollectorRegistry()
    by_reason = Counter("refused", "Of each reason.", ["reason", "a_topic"], registry=made)
    for number, reason in enumerate(AWKWARD):
        by_reason.labels(reason, f"topic-{number}").inc(number)
    for value in (float("inf"), -1e-9, 12_345_678_901.0):
        Gauge(f"gauge_{len(list(made.collect()))}", "A number.", registry=made).set(value)
    Histogram("waited", "Seconds.", ["who"], registry=made).labels("me").observe(0.3)
    return made


@pytest.fixture
def process(registry: CollectorRegistry) -> Iterator[Process]:
    """Who asks a learner's server for this registry; there is no process behind it."""
    with contextlib.closing(MetricsServer(registry, "127.0.0.1", 0, lambda: "")) as server:
        yield Process("learner", [], server.port, Path("/dev/null"), {})


def slowly(text: str) -> dict[str, float]:
    """What prometheus_client makes of the text."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            inner = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{inner}}}" if inner else sample.name] = sample.value
    return found


def test_samples_are_those_that_the_slow_parser_finds(registry: CollectorRegistry) -> None:
    text = generate_latest(registry).decode()
    found = samples(text)
    assert found == slowly(text)
    assert {value for name, value in found.items() if name.startswith("refused_total")} == {*map(float, range(7))}


def test_a_name_that_is_asked_for_comes_alone_with_all_of_its_labels(process: Process) -> None:
    everything = process.metrics()
    asked = process.metrics("refused_total", "waited_count")
    assert len(asked) == len(AWKWARD) + 1
    assert asked == {name: everything[name] for name in asked}
    assert process.metrics("no_such_name") == {}
