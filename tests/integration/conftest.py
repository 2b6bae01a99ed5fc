"""Fixtures that several files of this tier share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from streaming.settings.loading import Settings
from streaming.store import Store
from tests.support.processes.serving import Learner, learner, shop


@pytest.fixture
def taught(settings: Settings) -> Iterator[Learner]:
    """A learner that has learned a small shop."""
    with learner(settings) as made:
        made.learn(shop())
        yield made


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    """The learner's connection to the Redis of the test."""
    made = Store.for_learner(settings)
    yield made
    made.close()
