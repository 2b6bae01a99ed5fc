"""Which actors a new coordinator takes as its shards, and how the end of Ray's own processes is noticed.

Calls run on threads here; tests/acceptance has Ray itself.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from types import SimpleNamespace
from typing import Any

import pytest

from streaming.shards import engine
from streaming.shards.engine import RayCrew
from tests.conftest import eventually


class Ended(Exception):
    """What Ray says of an actor that ended."""


class ThreadRay:
    """The part of Ray's module that a crew needs to choose its actors."""

    exceptions = SimpleNamespace(RayError=Ended)

    @staticmethod
    def wait(calls: Sequence[Future[Any]], timeout: float) -> tuple[list[Future[Any]], list[Future[Any]]]:
        done, pending = wait(calls, timeout, FIRST_COMPLETED)
        return list(done), list(pending)

    @staticmethod
    def get(call: Future[Any]) -> Any:
        return call.result()


class Actor:
    """An actor whose process answers, has ended, or is still starting."""

    def __init__(self, threads: ThreadPoolExecutor, name: str, answer: Callable[[], object]) -> None:
        self.name, self.rests, self.begins = name, 0, 0
        self.there = SimpleNamespace(remote=lambda: threads.submit(answer))
        self.rest = SimpleNamespace(remote=self._rest)
        self.begin = SimpleNamespace(remote=self._begin)

    def _rest(self) -> None:
        self.rests += 1

    def _begin(self, _: bytes) -> str:
        self.begins += 1
        return self.name


def answers() -> None:
    return


def has_ended() -> None:
    raise Ended


@pytest.fixture
def over() -> Iterator[threading.Event]:
    """Set when the test is over; an actor that waits for it is still starting until then."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def threads(over: threading.Event) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as made:
        yield made
        over.set()


def chosen(actors: Sequence[Actor], shards: int) -> list[Any]:
    crew = RayCrew(ThreadRay, shards)
    crew.take(actors)
    return [crew.begin(shard, b"") for shard in range(shards)]


def test_a_shard_that_is_still_starting_waits_as_a_spare_and_the_spare_that_answers_takes_its_place(
    threads: ThreadPoolExecutor, over: threading.Event
) -> None:
    actors = [Actor(threads, "a", over.wait), Actor(threads, "b", answers), Actor(threads, "c", answers)]
    assert chosen(actors, 2) == ["b", "c"]
    assert [actor.rests for actor in actors] == [1, 0, 0]


def test_an_actor_that_ended_comes_after_those_that_live(threads: ThreadPoolExecutor) -> None:
    actors = [Actor(threads, "a", answers), Actor(threads, "b", has_ended), Actor(threads, "c", answers)]
    assert chosen(actors, 2) == ["a", "c"]


def test_where_nobody_answers_in_time_the_order_stays(
    threads: ThreadPoolExecutor, over: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "ANSWERING", 0.05)
    actors = [Actor(threads, "a", over.wait), Actor(threads, "b", has_ended), Actor(threads, "c", over.wait)]
    assert chosen(actors, 2) == ["a", "b"]


def test_without_spares_nobody_is_asked_and_shards_keep_their_order(
    threads: ThreadPoolExecutor, over: threading.Event
) -> None:
    assert chosen([Actor(threads, "a", over.wait), Actor(threads, "b", answers)], 2) == ["a", "b"]


def test_a_child_that_ended_is_noticed_before_anybody_asks_for_its_exit_code() -> None:
    with subprocess.Popen(["sleep", "600"]) as child:
        assert ("sleep", child.pid) in engine.children(["sleep"])
        assert not engine.has_ended(child.pid)
        child.kill()
        eventually(lambda: engine.has_ended(child.pid))
    assert engine.has_ended(child.pid)
