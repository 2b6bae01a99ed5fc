"""Orders about quarantines as the learner carries them out: each once, whatever dies, and nothing counted twice."""

from __future__ import annotations

import time

from models.records.control import Drop, Order, Quarantine, Replay, encode_control
from models.snapshot.manifest import Manifest
from streaming.live import histories
from tests.acceptance.conftest import Open
from tests.support.oracles.past import history
from tests.support.processes.harness import Installation, counts
from tests.support.processes.roles import Process
from tests.support.streams.streams import Planned, Shop


def order(ours: Installation, learner: Process, said: Order) -> Manifest:
    """The first version that has read the order."""
    ours.post_order(encode_control(said), time.time())
    return ours.wait_learnt(learner)


def learnt(ours: Installation, *parts: list[Planned]) -> dict[str, int]:
    """Events by item of some parts of the stream, as the learning kernel would count them."""
    found: dict[str, int] = {}
    for each in (each for part in parts for each in part):
        if each.event.get("item_id"):
            found[each.event["item_id"]] = found.get(each.event["item_id"], 0) + 1
    return found


def items(ours: Installation) -> dict[str, int]:
    return counts(ours.load().state, "item", "item_stats")


def test_a_bad_stretch_is_held_then_replayed_and_another_is_dropped(open_installation: Open) -> None:
    shop, ours = Shop(seed=51, users=60), open_installation(partitions=2)
    learner, start = ours.learner(), time.time() - 60.0
    good, bad, more, worse = (shop.stream(600, start, first, 0.01) for first in (0, 600, 1_200, 1_800))

    ours.send(good)
    healthy = ours.wait_learnt(learner)
    ours.send(bad)
    ours.wait_learnt(learner)
    users = ours.ledger.per_user()
    version = order(ours, learner, Quarantine("q1", healthy.id, "ops", "a broken exporter"))
    assert items(ours) == learnt(ours, good)
    assert counts(ours.load().state, "user", "user") == users  # what users did is live
    (held,) = version.progress.quarantines
    assert (held.state, held.events, held.version, held.reason) == ("held", 600, healthy.id, "a broken exporter")
    assert sum(piece.stop - piece.start for piece in held.pieces) == 600
    assert version.progress.outcomes == {"learnt": 600, "quarantined": 600}
    assert version.kind == "base"
    for user in list(users)[:5]:
        assert len(history(ours.store, user).items) == len(ours.ledger.history(user, histories.CAP))

    # Learning goes on from there, and a death changes nothing of it.
    ours.send(more)
    ours.wait_learnt(learner)
    learner.kill()
    learner.start()
    ours.wait(learner.ready, "learner ready", learner)
    assert items(ours) == learnt(ours, good, more)

    # Sent again meanwhile: a duplicate as ever, since it was consumed and may still be replayed.
    ours.post(bad[0]._replace(outcome="duplicate"))
    ours.wait_learnt(learner)
    version = order(ours, learner, Replay("r1", "q1", "ops", "the exporter was right"))
    assert version.progress.quarantines[0].state == "replayed"
    assert version.progress.quarantines[0].learnt == 600
    assert items(ours) == learnt(ours, good, more, bad)
    assert counts(ours.load().state, "user", "user") == ours.ledger.per_user()
    assert version.progress.outcomes | {"quarantined": 0} == {
        "learnt": 1_800, "quarantined": 0, "dropped": 0, "duplicate": 1,
    }  # fmt: skip

    ours.send(worse)
    ours.wait_learnt(learner)
    order(ours, learner, Quarantine("q2", version.id, "ops", "again"))
    order(ours, learner, Drop("d2", "q2", "ops", "it was"))
    order(ours, learner, Replay("r2", "q2", "ops", "too late"))
    version = order(ours, learner, Quarantine("q3", "9-9-zz", "ops", "no such version"))
    assert [(each.id, each.state) for each in version.progress.quarantines] == [
        ("q1", "replayed"),
        ("q2", "dropped"),
        ("q3", "refused"),
    ]
    assert items(ours) == learnt(ours, good, more, bad)
    assert version.progress.outcomes["dropped"] == 600
    shown = "sluicegate_quarantined_events"
    ours.wait(lambda: learner.metrics(shown)[f"{shown}{{state=dropped}}"] == 600, "it shows", learner)


def test_a_learner_that_dies_of_an_order_carries_it_out_once(open_installation: Open) -> None:
    shop, ours = Shop(seed=52, users=40), open_installation(partitions=2)
    learner, start = ours.learner(), time.time() - 60.0
    good, bad = (shop.stream(400, start, first, 0.01) for first in (0, 400))
    ours.send(good)
    healthy = ours.wait_learnt(learner)
    ours.send(bad)
    ours.wait_learnt(learner)
    learner.terminate()
    assert learner.wait_exit() == 0
    dying = ours.learner(wait=False, failpoint="commit.4")  # the version with the order in it is never committed
    ours.post_order(encode_control(Quarantine("q1", healthy.id, "ops", "bad")), time.time())
    assert dying.wait_exit() != 0
    assert not ours.load().manifest.progress.quarantines
    learner = ours.learner()
    version = ours.wait_learnt(learner)
    assert [each.state for each in version.progress.quarantines] == ["held"]
    assert items(ours) == learnt(ours, good)
    version = order(ours, learner, Replay("r1", "q1", "ops", "good after all"))
    assert items(ours) == learnt(ours, good, bad)
    assert version.progress.outcomes["learnt"] == 800
