"""The gate with real processes and a real stream: what it must never let users see, and how soon it takes it back.

Every figure is printed: `pytest -s` shows them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from models.admission import Admission, AdmissionRules
from models.dimensions import RANKER
from models.schema import SCHEMA
from models.state import State
from streaming.checkpoint import Checkpointer
from streaming.store import Store
from tests.acceptance.conftest import Open
from tests.support.harness import Installation
from tests.support.probe import Probe
from tests.support.roles import Process
from tests.support.streams import Planned, Shop

SHOP = Shop(seed=31)
# Seconds of record time between events: 500 a second, of which some 50 are tested.
INTERVAL = 0.002
# Events a second that are sent: three times as fast as they were made.
RATE = 1_500.0
# The reference moves after this many compared events, so that a test need not wait for minutes.
TESTED = 400
GATE = {
    "gate__least_tested": TESTED,
    "gate__cooldown": 2,
    "gate__margin": 0.02,
    "learner__version_interval": 0.5,
    "learner__batch_size": 500,
}


# Events after which a version is grown, and those made at once.
GROWN, SLICE = 8_000, 20_000


# Events after which random weights, forced live, must have been taken back; versions are looked at each second, and a
# champion is compared once it has stood for two.
CAUGHT = 15_000


class Stream:
    """The events of a shop, one after the other, of the last minutes: late, but not so late that the gate waits."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.sent, self.start = shop, 0, time.time() - 600.0

    def clean(self, count: int) -> list[Planned]:
        """The next events as the shop's users make them."""
        made = self.shop.stream(count, self.start, self.sent, INTERVAL)
        self.sent += count
        return made


def status(service: Process) -> dict[str, Any]:
    code, body = service.get("/gate")
    assert code == 200, body
    return dict(body)


def decisions(service: Process) -> list[dict[str, Any]]:
    """The newest decisions, newest first."""
    code, body = service.get("/gate/decisions?limit=200")
    assert code == 200, body
    return list(body["decisions"])


def moves(service: Process) -> list[dict[str, Any]]:
    """Decisions that changed what is served."""
    return [each for each in decisions(service) if each["action"] in {"promote", "rollback"}]


def rollbacks(service: Process) -> list[dict[str, Any]]:
    return [each for each in decisions(service) if each["action"] == "rollback"]


def order(service: Process, verb: str, **more: object) -> dict[str, Any]:
    """An operator's request, repeated while the gate is faster."""
    while True:
        body = {"reason": "acceptance", "revision": status(service)["revision"], **more}
        code, answer = service.ask("POST", f"/gate/{verb}", body)
        if code != 409:
            assert code == 200, answer
            return dict(answer)


def grown(ours: Installation, stream: Stream, learner: Process, service: Process, events: int = 30_000) -> None:
    """A shop that has run for a while: the last known good version is not the first one any more."""
    ours.send_facts(SHOP.facts(), stream.start)
    feed = ours.feed(stream.clean(events), 4 * RATE)
    ours.wait(lambda: not feed.is_alive(), "the past is sent", learner, service)
    feed.finish()
    ours.wait_learnt(learner)
    follow = ours.feed(endless(stream), RATE)
    ours.wait(lambda: known_good(ours, service) > GROWN, "a grown version is the last known good", learner, service)
    follow.finish()
    ours.wait_learnt(learner)


def known_good(ours: Installation, service: Process) -> int:
    """Events that the last known good version had learnt."""
    reference = status(service)["reference"]
    return ours.store.manifest(reference).progress.consumed if reference is not None else 0


def endless(stream: Stream, most: int = 200_000) -> Iterator[Planned]:
    """Clean events for as long as somebody takes them. Where two slices meet, everybody begins a new session."""
    for _ in range(most // SLICE):
        yield from stream.clean(SLICE)


def consumed(ours: Installation) -> int:
    head = ours.head()
    return head.progress.consumed if head is not None else 0


def scramble(state: State) -> None:
    """Random weights in the place of what was learnt, of the size of those they replace; every count stays."""
    random = np.random.default_rng(7)
    items = len(state.keys["item"])
    for name in ("lag_memory", "forward_memory", "backward_memory"):
        neighbours = state.tables[name].columns["other"]
        neighbours[neighbours >= 0] = random.integers(0, items, int((neighbours >= 0).sum()))
    for name, column in (("ranker", "weight"), ("item_factors", "q")):
        values = state.tables[name].columns[column]
        spread = float(np.sqrt(np.mean(np.square(values))))
        values[:] = random.normal(0.0, spread, values.shape)
    state.tables["chosen"].columns["contender"][:] = RANKER


def put_in_by_hand(ours: Installation) -> str:
    """A version that no learner wrote: head with random weights, whole and well-formed; its id."""
    store = Store.for_learner(ours.settings)
    lease = store.acquire_lease("by hand", 30.0)
    assert lease is not None
    loaded = ours.load()
    scramble(loaded.state)
    checkpointer = Checkpointer(store, lease, SCHEMA)
    try:
        admission = Admission(AdmissionRules(), loaded.arrivals)
        assert checkpointer.cut(loaded.state, loaded.manifest.progress, admission, {}, force=True)
        assert checkpointer.flush(30.0)
        assert checkpointer.last is not None
        return checkpointer.last.id
    finally:
        checkpointer.close()
        store.release(lease)
        store.close()


def test_random_weights_put_in_by_hand_are_never_served_and_forced_live_they_are_rolled_back(
    open_installation: Open,
) -> None:
    ours, stream = open_installation(**GATE), Stream(SHOP)
    learner, service = ours.learner(), ours.service()
    grown(ours, stream, learner, service)
    learner.terminate()
    learner.wait_exit()
    ours.wait(lambda: status(service)["serving"] == status(service)["head"], "the last version is served", service)
    good, probe = status(service)["serving"], Probe(SHOP, stream.clean(3_000))
    before = probe.hit_rate(ours.load(good).state)

    made_up = put_in_by_hand(ours)
    ruined = probe.hit_rate(ours.load(made_up).state)
    print(f"hit rate on clean traffic: served {before:.3f}, made up {ruined:.3f}")
    assert ruined < 0.7 * before
    ours.wait(lambda: decisions(service)[0]["to_version"] == made_up, "the gate has judged it", service)
    assert decisions(service)[0]["action"] == "hold"
    print(f"held for {decisions(service)[0]['reasons']}, lists shared {decisions(service)[0]['numbers']['overlap']}")
    assert status(service)["serving"] == good

    # In mode strict it stays served while the learner learns on: what users see does not mend itself.
    order(service, "mode", mode="strict")
    assert order(service, "promote", force=True)["reasons"] == ["requested", "forced", "sound"]
    assert status(service)["serving"] == made_up
    forced_at, forced = time.monotonic(), consumed(ours)
    again = ours.learner()
    feed = ours.feed(endless(stream), RATE)
    ours.wait(lambda: bool(rollbacks(service)), "rolled back", again, service, timeout=180.0)
    taken, seconds = consumed(ours) - forced, time.monotonic() - forced_at
    (rolled,) = rollbacks(service)
    feed.finish()
    compared = rolled["numbers"]["probation_n"]
    print(f"rolled back for {rolled['reasons']} after {taken} events, {compared} compared, {seconds:.1f} s")
    assert rolled["from_version"] == made_up
    assert not any(each["to_version"] == made_up and each["actor"] == "auto" for each in moves(service))
    assert probe.hit_rate(ours.load(rolled["to_version"]).state) > 0.9 * before
    assert taken < CAUGHT
