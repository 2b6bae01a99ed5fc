"""A broker that names itself by an address that leads nowhere is told by that address."""

from __future__ import annotations

import gc
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.doctor.examination import examine
from service.local import embedded
from streaming.consumer import KafkaSource
from streaming.jobs.redrive import letters
from streaming.kafka import BrokerAway, EventProducer, ensure_topics
from streaming.settings import Settings, load_settings

pytestmark = pytest.mark.filterwarnings(
    # kafka-python leaves the socket of an attempt that is refused to the interpreter.
    "ignore:Exception ignored in. <socket.socket fd=.*laddr=.'127.0.0.1':pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """Collect such sockets while their warning is ignored, not in a later test."""
    yield
    gc.collect()


def test_a_name_that_is_lost_later_is_named_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"kafka.shop.test"}
    resolve = socket.getaddrinfo

    def resolved(host: str, *rest: Any, **more: Any) -> Any:
        if host == "kafka.shop.test":
            if host not in known:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            host = "127.0.0.1"
        return resolve(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    port = embedded.free_port()
    with embedded.broker(tmp_path, port, advertised=f"kafka.shop.test:{port}") as child:
        environ = {"SLUICEGATE_KAFKA__BOOTSTRAP": child.address, "SLUICEGATE_KAFKA__REQUEST_TIMEOUT": "1"}
        settings = load_settings(None, environ)
        ensure_topics(settings)
        with KafkaSource(settings, ["events"]) as source:
            source.assign({})
            known.clear()
            child.stop()
            with pytest.raises(
                BrokerAway, match=rf"not reached: kafka\.shop\.test:{port} \(this name does not resolve"
            ):
                source.end_offsets()


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
