"""A watch over sentinels has connections made again when they name another primary, and only then."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from streaming.store import primary_watch
from streaming.store.primary_watch import SETTLING_LOOKS, PrimaryWatch
from tests.conftest import eventually

ONE, OTHER = ("127.0.0.1", 1), ("127.0.0.1", 2)


def looks(answers: Iterator[tuple[str, int] | None], count: int) -> list[int]:
    """How often connections had been made again, after each look."""
    moves: list[None] = []

    watch = PrimaryWatch(lambda: next(answers), lambda: moves.append(None))
    found = []
    for _ in range(count):
        watch.look()
        found.append(len(moves))
    return found


def test_another_primary_is_gone_to_until_all_sentinels_know_it() -> None:
    answers = [ONE, ONE, *[OTHER] * (SETTLING_LOOKS + 3)]
    assert looks(iter(answers), len(answers)) == [0, 0, 1, 2, 3, 4, 4, 4]


def test_sentinels_that_do_not_answer_change_nothing() -> None:
    assert looks(iter([ONE, None, None, ONE, OTHER]), 5) == [0, 0, 0, 0, 1]


class Client:
    """Stands for a pool of connections: only whether it lives matters."""


def test_the_thread_ends_with_its_last_client_and_begins_again_with_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(primary_watch, "LOOK_SECONDS", 0.01)
    watch = PrimaryWatch(lambda: ONE, lambda: None)
    for _ in range(2):
        client = Client()
        gone = weakref.ref(client)
        watch.add(client)
        assert watch._thread is not None
        del client
        gc.collect()
        assert gone() is None, "the watch keeps no client alive"
        assert eventually(lambda: watch._thread is None)
