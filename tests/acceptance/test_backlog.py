"""A learner that finds far more waiting events than may run ahead of a version learns all of them, in both modes.

`BACKLOG=1000000 make acceptance ARGS=tests/acceptance/test_backlog.py` tries a million; `make acceptance-full` does.
"""

from __future__ import annotations

import os

import pytest

from models.ledger import SLACK
from tests.acceptance.conftest import Open
from tests.support.streams.streams import Shop

BACKLOG = int(os.environ.get("BACKLOG") or 240_000)
COUNT = BACKLOG // 10
"""Events of a batch: a million events come in batches of the default size."""
TOGETHER = 20_000
"""Events that are made and sent at a time."""
SECONDS = 60 + BACKLOG // 2_000
"""For sending as for learning, on a machine that does other things as well."""


@pytest.mark.timeout(60 + 3 * SECONDS)
@pytest.mark.parametrize("mode", ["event", "batch"])
def test_a_backlog_longer_than_what_may_run_ahead_is_learned_once(open_installation: Open, mode: str) -> None:
    assert BACKLOG > SLACK + 2 * COUNT, "it has to run out of room"
    shop = Shop(seed=67)
    ours = open_installation(4, update__mode=mode, update__count=COUNT, update__every=5.0)
    for first in range(0, BACKLOG, TOGETHER):
        ours.send(shop.stream(min(TOGETHER, BACKLOG - first), first=first))
    ours.flush()
    learner = ours.learner()
    ours.wait_learnt(learner, timeout=SECONDS)
    ours.verify()
    learner.terminate()
    assert learner.wait_exit() == 0
