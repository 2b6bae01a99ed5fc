"""Joined ids through Kafka, the learner and Redis: one user, learned once, also by a model that begins at the start."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from models.ledger import user_hash
from models.recommender import joining
from models.records import Describe, Erase, encode_control
from models.snapshot import Manifest
from models.snapshot.chunks import read
from models.state import SCHEMA, State
from streaming import versions
from streaming.jobs.rebuild import rebuild
from streaming.live import erasures
from streaming.versions import PART, Loaded
from tests.support.oracles.past import NOTHING, history
from tests.support.processes.harness import Installation, counts
from tests.support.streams.streams import Planned, Shop, visitor, visits

Open = Callable[..., Installation]


@pytest.fixture
def open_installation(broker: str, redis_url: str, tmp_path: Path) -> Iterator[Open]:
    """An installation on the embedded broker and Redis; its processes end with the test."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(Installation(broker, redis_url, tmp_path, 1, **settings))


def rebuilt(ours: Installation) -> Loaded:
    found = rebuild(ours.settings, 0.0, lambda _: None, threading.Event(), time.monotonic)
    loaded = versions.load(ours.store.under(PART), found.version, SCHEMA, served_only=False)
    assert loaded is not None
    return loaded


def ring(state: State, user: str) -> list[tuple[str | None, int, int]]:
    """A user's interactions by the ids of their items."""
    row, items = state.keys["user"].rows[user], state.keys["item"].ids
    return [(items[item], time, kind) for item, time, kind in joining.past(state, row).ring]


def test_what_was_done_under_two_ids_is_one_user_whenever_they_are_joined(open_installation: Open) -> None:
    shop, ours = Shop(seed=61, users=12), open_installation()
    users = sorted(shop.tastes)[:4]
    planned = visits(list(shop.stream(900, time.time() - 950.0, interval=1.0)), users)
    before, first, second, chained = users
    ours.identify(visitor(before), before)
    ours.send(planned[:500])
    learner = ours.learner()
    ours.wait_learnt(learner)
    ours.identify(visitor(first), first)
    ours.wait_learnt(learner)
    learner.kill()
    ours.identify(visitor(second), second)
    ours.send(planned[500:])
    ours.identify(visitor(chained), chained)
    ours.identify(chained, f"{chained}@shop")
    again = ours.learner()
    ours.wait_learnt(again)
    again.terminate()
    assert again.wait_exit() == 0
    ours.verify()
    live, fresh = ours.load(), rebuilt(ours)
    for loaded in (live, fresh):
        known = loaded.identities
        assert [known.resolve(visitor(user)) for user in users] == [before, first, second, f"{chained}@shop"]
        assert loaded.manifest.progress.identities == 5
        assert counts(loaded.state, "user", "user") == ours.ledger.per_user()
        assert counts(loaded.state, "item", "item_stats") == ours.ledger.per_item()
    for user in ours.ledger.per_user():
        assert ring(live.state, user) == ring(fresh.state, user), user


def test_an_erasure_by_the_anonymous_id_removes_the_user_and_nothing_joins_them_again(open_installation: Open) -> None:
    shop, ours = Shop(seed=62, users=6), open_installation(learner__base_interval=5)
    user = min(shop.tastes)
    planned = visits(list(shop.stream(300, time.time() - 60.0, interval=0.05)), [user])
    learner = ours.learner()
    ours.send(planned)
    ours.identify(visitor(user), user)
    ours.wait_learnt(learner)
    others = ours.ledger.per_user()
    mine = others.pop(user)
    ours.post_order(encode_control(Describe("said", visitor(user), {"plan": "pro"})), time.time())
    ours.post_order(encode_control(Erase("gone", visitor(user))), time.time())
    ours.flush()
    ours.wait(lambda: "seq" in erasures.read(ours.store, "gone"), "the receipt is written", learner)
    receipt = erasures.read(ours.store, "gone")
    assert (receipt["user_row"], receipt["dedupe_entries"], receipt["attributes"]) == ("1", str(mine), "1")
    ours.identify(visitor(user), user)  # refused: both are erased
    late = planned[0].event | {"user_id": visitor(user), "event_id": "late"}
    ours.post(Planned(late, time.time(), "erased"))
    later = late | {"event_id": "later", "timestamp": time.time() + 1.0}
    ours.post(Planned(later, time.time() + 1.0))
    ours.wait_learnt(learner)
    seq = int(receipt["seq"])
    ours.wait(lambda: erasures.holding(ours.store, seq) == (0, []), "older versions are let go of", learner)
    for loaded in (ours.load(), rebuilt(ours)):
        assert counts(loaded.state, "user", "user") == others | {visitor(user): 1}
        assert {user_hash(each) for each in (user, visitor(user))} <= set(loaded.erasures.moments)
        assert loaded.identities.ids(user) == (user,)
        assert len(loaded.identities) == 0
    assert history(ours.store, user) == NOTHING
    assert joined_ids(ours) == {b""}


def joined_ids(ours: Installation) -> set[bytes]:
    """The bytes in which the versions that are kept have joined ids."""
    kept = [pointer.id for pointer in (*ours.store.versions(), *ours.store.bases())]
    manifests = [found for found in ours.store.manifests(kept).values() if isinstance(found, Manifest)]
    parts = [part for manifest in manifests for chunk in ours.store.chunks(manifest) for part in read(chunk)]
    return {part.arrays["ids"].tobytes() for part in parts if part.kind == "identities"}
