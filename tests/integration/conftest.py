"""In: settings of a test. Out: what several files of this tier begin with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from streaming.settings.loading import Settings
from tests.support.processes.serving import Learner, learner, shop


@pytest.fixture
def taught(settings: Settings) -> Iterator[Learner]:
    """A learner that has learned a small shop."""
    with learner(settings) as made:
        made.learn(shop())
        yield made
