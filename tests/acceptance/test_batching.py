"""`update.mode=batch` with real parts: histories at once, learning together, one version, nothing twice or lost."""

from __future__ import annotations

import time

from streaming.live import histories
from tests.acceptance.conftest import Open
from tests.support.oracles.past import history
from tests.support.streams.streams import Shop

TOGETHER = 800
BATCH = {"update__mode": "batch", "update__count": TOGETHER, "update__every": 3_600, "update__passes": 3}


def test_a_batch_is_learnt_in_passes_and_one_that_a_dead_learner_had_is_read_again(open_installation: Open) -> None:
    shop, start = Shop(seed=61), time.time() - 30.0
    ours = open_installation(2, **BATCH)
    planned = list(shop.stream(2 * TOGETHER, start, interval=0.01))
    learner = ours.learner()
    ours.send(planned[: TOGETHER // 2])
    user = max(ours.ledger.per_user().items(), key=lambda each: each[1])[0]
    expected = len(ours.ledger.history(user, histories.CAP))
    ours.wait(lambda: len(history(ours.store, user).items) == expected, "the history is there", learner)
    head = ours.head()
    assert head is None or head.progress.consumed == 0
    learner.kill()  # it had collected them

    learner = ours.learner()
    ours.send(planned[TOGETHER // 2 : TOGETHER])
    first = ours.wait_learnt(learner)
    told = first.evidence["batch"]
    assert told["events"] == TOGETHER
    assert told["whole"]
    assert 1 <= told["passes"] <= 3
    assert told["kept"] <= told["passes"]
    ours.verify()

    ours.send(planned[TOGETHER : TOGETHER + 100])
    learner.terminate()  # what was collected is let go: it is in no version
    assert learner.wait_exit() == 0
    left = ours.head()
    assert left is not None
    assert left.progress.consumed == TOGETHER
    learner = ours.learner()
    ours.send(planned[TOGETHER + 100 :])
    second = ours.wait_learnt(learner)
    ours.verify()
    # One version per training: the one before it is its parent, or the base that a restart may have written.
    assert second.seq <= first.seq + 2
