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


def test_loading_lasts_until_the_process_is_ready_and_ends_once(usual: tuple[int, int, int]) -> None:
    ready = False
    loading = Loading(lambda: ready)
    loading.begin()
    loading.look()
    assert not loading.over
    assert (sys.getswitchinterval(), gc.get_threshold()) == (pytest.approx(LONG), RARELY)
    ready = True
    gc.unfreeze()
    loading.look()
    assert loading.over
    assert (sys.getswitchinterval(), gc.get_threshold()) == (pytest.approx(SHORT), usual)
    assert gc.get_freeze_count() > 0, "what was loaded is not walked again"
    gc.unfreeze()
    loading.look()
    assert gc.get_freeze_count() == 0, "what requests leave is not kept for good"
