"""Epochs only grow, whatever Redis forgot: a learner of an older one must stay fenced."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from models.snapshot.manifest import Manifest, seal
from streaming.settings.loading import Settings
from streaming.store import Fenced, Store
from tests.conftest import eventually


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    made = Store.for_learner(settings)
    yield made
    made.close()


def lose(store: Store, *names: str) -> None:
    """A failover lost the last writes of these keys."""
    store.call("DEL", *(store.key(name) for name in names))


def test_an_epoch_that_redis_lost_is_found_in_what_was_committed(store: Store) -> None:
    lease = store.acquire_lease("a", 30.0)
    assert lease is not None
    lease.epoch = 7
    lose(store, "epoch", "owner")
    manifest = Manifest("v1", 1, "base", epoch=lease.epoch)
    assert store.commit(manifest, seal(manifest), lease) == "OK"
    lose(store, "lease", "epoch", "owner")
    newer = store.acquire_lease("b", 30.0)
    assert newer is not None
    assert newer.epoch == 8
    following = Manifest("v2", 2, "delta", parent="v1", epoch=lease.epoch)
    with pytest.raises(Fenced):
        store.commit(following, seal(following), lease)


def test_a_process_takes_no_epoch_that_it_had_before_from_a_redis_that_lost_them_all(store: Store) -> None:
    first = eventually(lambda: store.acquire_lease("a", 30.0))
    lose(store, "lease", "epoch", "owner", "head")
    again = store.acquire_lease("a", 30.0, above=first.epoch)
    assert again is not None
    assert again.epoch == first.epoch + 1
