"""A broker that names itself by an address that leads nowhere is told by that address."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.doctor.examination import examine
from service.local import embedded
from streaming.consumer import KafkaSource
from streaming.jobs.redrive import letters
from streaming.kafka import BrokerAway, EventProducer, ensure_topics
from streaming.settings import Settings, load_settings


@pytest.fixture(params=["kafka-internal.shop.invalid:9092", "127.0.0.1:1"])
def misled(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Settings, str]]:
    """Settings on a broker that gives itself an address that is unknown, or where nobody answers; that address."""
    with embedded.broker(tmp_path, advertised=request.param) as child:
        yield load_settings(None, {"SLUICEGATE_KAFKA__BOOTSTRAP": child.address}), request.param


def test_a_name_that_a_broker_gives_itself_and_nobody_can_resolve_is_named(misled: tuple[Settings, str]) -> None:
    settings, name = misled
    text = rf"the broker at {settings.kafka.bootstrap} answers, and names itself {name} \(.*advertised.listeners"
    began = time.monotonic()
    for use in (
        lambda: ensure_topics(settings),
        lambda: EventProducer(settings),
        lambda: KafkaSource(settings, ["events"]),
        lambda: list(letters(settings)),
    ):
        with pytest.raises(BrokerAway, match=text):
            use()
    assert time.monotonic() - began < settings.kafka.bootstrap_timeout, "nobody waits for a time-out"
    (found,) = [each for each in examine(settings, time.time(), 5.0) if each.check == "kafka.reachable"]
    assert (found.state, name in found.text, "start a broker" in found.mend) == ("failure", True, False)
