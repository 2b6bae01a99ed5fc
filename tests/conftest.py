"""Fixtures of all tiers: one embedded broker and Redis for the whole run, and a namespace of its own for each test."""

from __future__ import annotations

import gc
import logging
import sys
import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from _pytest.doctest import DoctestModule
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from service.local import embedded
from streaming.settings.loading import Settings, load_settings

T = TypeVar("T")

SHORTEST, LONGEST = 0.005, 0.1
"""Seconds between two looks at whether something has happened."""

# A busy machine is no slow strategy, and no slow code.
hypothesis_settings.register_profile("sluicegate", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("sluicegate")


def pytest_configure(config: pytest.Config) -> None:
    """Let kafka-python be imported where warnings are errors: Python 3.11 and 3.12 warn of a function it reads with."""
    config.addinivalue_line("filterwarnings", r"ignore:(read|open)_text is deprecated:DeprecationWarning")
    config.pluginmanager.register(_Examples())


class _Examples:
    """A plugin, because the hooks of this file are not asked about the packages."""

    @pytest.hookimpl(wrapper=True)
    def pytest_collect_file(self, file_path: Path) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
        """Look for examples only where there are some: pytest imports each module, and walks through all it holds."""
        found = yield
        if file_path.suffix != ".py" or b">>>" in file_path.read_bytes():
            return found
        return [each for each in found if not isinstance(each, DoctestModule)]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage while everything is imported: there is hardly any, and looking takes a third of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()  # what was imported stays to the end: no later look need walk through it
        gc.enable()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Compile kernels now where none are kept yet, if a test imports them: no test's time-out has begun."""
    if session.items and "models.kernels.core.compile" in sys.modules:
        from tests.support.kernels import compile_missing  # here: other tests need no numba

        compile_missing()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let files that wait for processes take turns with files that compute, so that no core is idle meanwhile.

    The tests of a file stay together and in their order. Files that wait end a little earlier: one of them that began
    last would be waited for alone. The examples in docstrings come after all.
    """
    waiting, computing = Path(__file__).parent / "integration", Path(__file__).parent
    tiers: dict[Path, dict[Path, None]] = {waiting: {}, computing: {}}
    for item in items:
        tier = next((each for each in tiers if item.path.is_relative_to(each)), None)
        if tier is not None:
            tiers[tier][item.path] = None
    ends = {waiting: 0.9, computing: 1.0}
    place = {
        path: ends[tier] * number / len(files) for tier, files in tiers.items() for number, path in enumerate(files)
    }
    items.sort(key=lambda item: place.get(item.path, 1.0))


@pytest.hookimpl(wrapper=True)
def pytest_collect_file() -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Leave out the docstrings of tests: `make test` looks for examples in those of the packages."""
    return [each for each in (yield) if type(each) is pytest.Module]


def eventually(condition: Callable[[], T], timeout: float = 30.0) -> T:
    """The first true answer of `condition`. Fails the test when there is none within `timeout` seconds.

    It asks ever less often: a question that is a request keeps the service from what it is waited for.
    """
    began = time.monotonic()
    while True:
        answer = condition()
        if answer:
            return answer
        waited = time.monotonic() - began
        if waited > timeout:
            pytest.fail(f"still {answer!r} after {timeout:g} s: {condition}")
        time.sleep(min(max(SHORTEST, waited / 5), LONGEST))


@pytest.fixture
def own_log() -> Iterator[None]:
    """For a test that lets a command set up the log of this process: afterwards all is as it was."""
    root, hooks = logging.getLogger(), (sys.excepthook, threading.excepthook, sys.unraisablehook)
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks


@pytest.fixture(scope="session")
def embedded_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded.Child]:
    """The broker's process."""
    with embedded.broker(tmp_path_factory.mktemp("broker")) as child:
        yield child


@pytest.fixture(scope="session")
def embedded_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded.Child]:
    """The process of Redis."""
    with embedded.redis(tmp_path_factory.mktemp("redis")) as child:
        yield child


@pytest.fixture(scope="session")
def broker(embedded_broker: embedded.Child) -> str:
    """host:port of the embedded broker."""
    return embedded_broker.address


@pytest.fixture(scope="session")
def redis_url(embedded_redis: embedded.Child) -> str:
    """Address of the embedded Redis."""
    return f"redis://{embedded_redis.address}/0"


@pytest.fixture
def namespace() -> str:
    """A namespace no other test has: its topics and Redis keys are this test's alone."""
    return f"t{uuid.uuid4().hex[:12]}"


@pytest.fixture
def kafka_settings(broker: str, namespace: str) -> Settings:
    """Settings on the embedded broker and this test's namespace; Redis stays at its default."""
    return load_settings(None, {"SLUICEGATE_KAFKA__BOOTSTRAP": broker, "SLUICEGATE_NAMESPACE": namespace})


def _embedded(broker: str, redis_url: str, namespace: str) -> Settings:
    environ = {"KAFKA__BOOTSTRAP": broker, "REDIS__URL": redis_url, "NAMESPACE": namespace}
    return load_settings(None, {f"SLUICEGATE_{name}": value for name, value in environ.items()})


@pytest.fixture
def settings(broker: str, redis_url: str, namespace: str) -> Settings:
    """Settings on the embedded broker and Redis and this test's namespace."""
    return _embedded(broker, redis_url, namespace)


@pytest.fixture(scope="module")
def shared_settings(broker: str, redis_url: str) -> Settings:
    """The same with one namespace for all tests of a file that share a service, because none disturbs another."""
    return _embedded(broker, redis_url, f"f{uuid.uuid4().hex[:12]}")
