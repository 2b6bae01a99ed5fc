"""A learner whose state was replaced writes a base next: a delta would mix the new state with the old one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from streaming.checkpoint.checkpointer import Checkpointer
from streaming.settings.loading import Settings
from streaming.store.store import Store
from streaming.versions import loading as versions
from tests.conftest import eventually
from tests.support.streams import toy
from tests.support.streams.toy import Toy


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    made = Store.for_learner(settings)
    yield made
    made.close()


@pytest.fixture
def open_checkpointer(store: Store) -> Iterator[Callable[..., Checkpointer]]:
    opened: list[Checkpointer] = []

    def open_(**options: object) -> Checkpointer:
        lease = store.acquire_lease("a", 30.0)
        assert lease is not None
        opened.append(Checkpointer(store, lease, toy.SCHEMA, **options))  # type: ignore[arg-type]
        return opened[-1]

    yield open_
    for made in opened:
        made.close()


def cut(checkpointer: Checkpointer, learner: Toy) -> None:
    assert eventually(
        lambda: checkpointer.cut(learner.state, learner.progress, learner.admission, dict, force=True), timeout=5.0
    )


def put_back(learner: Toy) -> None:
    """Replace the state by one of five events, as a quarantine does; what was consumed stays consumed."""
    learner.state = Toy().learn(5).state


def head(store: Store) -> versions.Loaded:
    loaded = versions.load(store, "head", toy.SCHEMA, served_only=False)
    assert loaded is not None
    return loaded


def test_the_version_of_a_replaced_state_is_a_base(
    store: Store, open_checkpointer: Callable[..., Checkpointer]
) -> None:
    learner, checkpointer = Toy(), open_checkpointer()
    for until in (20, 30):
        cut(checkpointer, learner.learn(until))
        assert checkpointer.flush(60.0)
    put_back(learner)
    checkpointer.rebase()
    cut(checkpointer, learner.learn(40))
    assert checkpointer.flush(60.0)
    assert head(store).manifest.kind == "base"
    assert head(store).state.digest() == learner.state.digest()
    cut(checkpointer, learner.learn(50))
    assert checkpointer.flush(60.0)
    assert head(store).manifest.kind == "delta"
    assert head(store).state.digest() == learner.state.digest()


def test_a_version_that_lands_after_the_state_was_replaced_is_not_extended(
    store: Store, open_checkpointer: Callable[..., Checkpointer]
) -> None:
    """The old state's last version is under way while the state is replaced: the next one is a base all the same."""
    learner, go_on = Toy(), threading.Event()
    reached: list[str] = []

    def failpoint(name: str) -> None:
        reached.append(name)
        if name == "commit.4" and reached.count(name) == 2:
            go_on.wait(10.0)

    checkpointer = open_checkpointer(failpoint=failpoint)
    cut(checkpointer, learner.learn(20))
    assert checkpointer.flush(60.0)
    cut(checkpointer, learner.learn(30))
    eventually(lambda: reached.count("commit.4") == 2)
    put_back(learner)
    checkpointer.rebase()
    go_on.set()
    assert checkpointer.flush(60.0)
    assert head(store).manifest.progress.consumed == 30
    cut(checkpointer, learner.learn(40))
    assert checkpointer.flush(60.0)
    assert head(store).manifest.kind == "base"
    assert head(store).state.digest() == learner.state.digest()
