"""A process that loads takes long turns and rests its collector; from the moment it is ready, it does neither."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator

import pytest

from service.runtime import Loading
from service.runtime.loading import RARELY
from streaming.thread_turns import LONG, SHORT


@pytest.fixture
def usual() -> Iterator[tuple[int, int, int]]:
    """The collector's thresholds; they and the turns are put back, and nothing stays frozen."""
    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()
    yield thresholds
    sys.setswitchinterval(interval)
    gc.set_threshold(*thresholds)
    gc.unfreeze()


def test_loading_takes_long_turns_and_its_end_the_usual_ones(usual: tuple[int, int, int]) -> None:
    loading = Loading()
    loading.begin()
    assert (sys.getswitchinterval(), gc.get_threshold()) == (pytest.approx(LONG), RARELY)
    gc.unfreeze()
    loading.end()
    assert (sys.getswitchinterval(), gc.get_threshold()) == (pytest.approx(SHORT), usual)
    assert gc.get_freeze_count() > 0, "what was loaded is not walked again"
