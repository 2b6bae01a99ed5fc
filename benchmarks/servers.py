"""Starts an Apache Kafka and a Redis, and fills topics with a workload."""

from __future__ import annotations

import argparse
import contextlib
import socket
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic
from kafka.errors import TopicAlreadyExistsError

from tests.support.processes.apache_kafka import ApacheKafka
from tests.support.processes.redis_server import RedisServer

PARTITIONS = 4  # the default of `sluicegate` for topics that it creates


class Servers(NamedTuple):
    """Addresses of the servers that the contenders share."""

    bootstrap: str
    redis: str
    folder: Path
    redis_server: RedisServer | None


@contextlib.contextmanager
def servers(options: argparse.Namespace) -> Iterator[Servers]:
    """Use the given Kafka and Redis, or start them for the block. Raises Missing, EmbeddedError."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sluicegate-bench-")))
        bootstrap, url, own = options.bootstrap, options.redis, None
        if bootstrap is None:
            bootstrap = stack.enter_context(ApacheKafka(folder / "kafka")).bootstrap
        if url is None:
            own = stack.enter_context(RedisServer(folder / "redis"))
            url = own.url
        yield Servers(bootstrap, url, folder, own)


def topic(bootstrap: str, name: str, compact: bool = False, partitions: int = PARTITIONS) -> None:
    """Create a topic unless it exists."""
    client = KafkaAdminClient(bootstrap_servers=bootstrap)
    configs = {"cleanup.policy": "compact"} if compact else {}
    try:
        client.create_topics([NewTopic(name, partitions, 1, topic_configs=configs)], raise_errors=True)
    except TopicAlreadyExistsError:
        pass  # made by an earlier run
    finally:
        client.close()


def fill(
    bootstrap: str, name: str, records: Iterable[tuple[bytes, bytes]], times: Iterable[float] | None = None
) -> int:
    """Write records; `times` (epoch seconds) become record times. Returns how many the broker acknowledged."""
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=50, batch_size=1 << 18)
    count = 0
    stamps = iter(times) if times is not None else None
    try:
        for key, value in records:
            stamp = None if stamps is None else int(next(stamps) * 1000)
            producer.send(name, value=value, key=key, timestamp_ms=stamp)
            count += 1
        producer.flush(timeout=120)
    finally:
        producer.close(timeout=30)
    return count


def info(url: str, field: str) -> float:
    """Read one number of Redis's INFO, such as `total_net_input_bytes`: versions, histories and requests together."""
    place = urlsplit(url)
    with socket.create_connection((place.hostname or "127.0.0.1", place.port or 6379), timeout=5) as link:
        link.sendall(b"INFO everything\r\n")
        lines = link.makefile("rb")
        size = int(lines.readline()[1:])
        answer = lines.read(size).decode().splitlines()
    return next(float(line.split(":")[1]) for line in answer if line.startswith(f"{field}:"))
