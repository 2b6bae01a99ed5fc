"""A learner that finds far more waiting events than may run ahead of a version learns all of them, in both modes.

`BACKLOG=1000000 make acceptance ARGS=tests/acceptance/test_backlog.py` tries a million; `make acceptance-full` does.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from models.ledger import SLACK
from tests.support.processes.apache_kafka import ApacheKafka
from tests.support.processes.harness import Installation
from tests.support.processes.redis_server import RedisServer
from tests.support.streams.streams import Shop

BACKLOG = int(os.environ.get("BACKLOG") or 180_000)
COUNT = BACKLOG // 10
"""Events of a batch: a million events come in batches of the default size."""
TOGETHER = 20_000
"""Events that are made and sent at a time."""
AS_IN_PRODUCTION = {"learner__batch_size": 5_000, "learner__version_interval": 1.0}
"""The defaults, by which more runs ahead of a version than in the other tests, and less is done for each event."""
SECONDS = 60 + BACKLOG // 2_000
"""For sending as for learning, on a machine that does other things as well."""


@pytest.fixture(scope="module")
def waiting(
    _kafka: ApacheKafka, _redis: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """An installation with a backlog, which is sent once for both modes."""
    assert BACKLOG > SLACK + 2 * COUNT, "it has to run out of room"
    kafka, redis, shop = _kafka.start(), _redis.start(), Shop(seed=67)
    folder = tmp_path_factory.mktemp("backlog")
    options = {"update__count": COUNT, "update__every": 5.0} | AS_IN_PRODUCTION
    with Installation(kafka.bootstrap, redis.url, folder, **options) as ours:
        for first in range(0, BACKLOG, TOGETHER):
            ours.send(shop.stream(min(TOGETHER, BACKLOG - first), first=first))
        yield ours


@pytest.mark.timeout(60 + 3 * SECONDS)
@pytest.mark.parametrize("mode", ["event", "batch"])
def test_a_backlog_longer_than_what_may_run_ahead_is_learned_once(waiting: Installation, mode: str) -> None:
    waiting.store.call("FLUSHDB", "ASYNC")  # nothing is left of the other mode's: this learner reads from the beginning
    assert waiting.head() is None
    learner = waiting.learner(update__mode=mode)
    waiting.wait_learnt(learner, timeout=SECONDS)
    waiting.verify()
    learner.terminate()
    assert learner.wait_exit() == 0
