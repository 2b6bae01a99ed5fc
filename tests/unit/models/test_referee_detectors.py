"""The detectors decide as River's do, and go on from a stored state as if they had never stopped."""

from __future__ import annotations

import random
from collections.abc import Iterator

import msgspec
import numpy as np
import pytest
from river import drift

from models.referee.busiest import EVENTS, KEPT, Busiest
from models.referee.detectors import AdaptiveWindow, PageHinkley

SEEDS = range(6)


def shares(seed: int, count: int = 20_000) -> Iterator[int]:
    """Bits whose share of ones stays for a while and then leaps."""
    draw = random.Random(seed)
    share, left = draw.random(), 0
    for _ in range(count):
        if not left:
            share, left = draw.random(), draw.randrange(200, 6_000)
        left -= 1
        yield int(draw.random() < share)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_adaptive_window_is_rivers(seed: int) -> None:
    ours, theirs = AdaptiveWindow(), drift.ADWIN(delta=0.002)
    found = 0
    for bit in shares(seed):
        theirs.update(bit)
        assert ours.add(bit) == theirs.drift_detected
        assert ours.width == theirs.width
        assert ours.mean == pytest.approx(theirs.estimation, abs=1e-12)
        found += ours.drifted
    assert found


@pytest.mark.parametrize("rises", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_page_hinkley_is_rivers(seed: int, rises: bool) -> None:
    mode = "both" if rises else "down"
    ours, theirs = PageHinkley(0.05, 30.0, rises), drift.PageHinkley(delta=0.05, threshold=30.0, mode=mode)
    found = 0
    for value in shares(seed):
        theirs.update(value)
        assert ours.add(value) == theirs.drift_detected
        found += ours.drifted
    assert found


def test_detectors_that_are_stored_at_any_moment_go_on_as_if_nothing_had_happened() -> None:
    draw = random.Random(9)
    one, other = AdaptiveWindow(), AdaptiveWindow()
    fall, again = PageHinkley(0.05, 30.0), PageHinkley(0.05, 30.0)
    for bit in shares(9):
        if draw.random() < 0.01:
            other = msgspec.json.decode(msgspec.json.encode(other), type=AdaptiveWindow)
            again = msgspec.json.decode(msgspec.json.encode(again), type=PageHinkley)
        assert (one.add(bit), fall.add(bit)) == (other.add(bit), again.add(bit))
    assert one == other
    assert fall == again


@pytest.mark.parametrize("busy", [0.0, 0.05, 0.15, 0.3, 0.9])
@pytest.mark.parametrize("users", [3, KEPT - 1, 500, 20_000])
def test_the_busiest_users_share_is_never_too_small_and_hardly_too_large(busy: float, users: int) -> None:
    random = np.random.default_rng(users)
    stream = np.where(random.random(40_000) < busy, users, random.integers(0, users, 40_000)).astype(int).tolist()
    window = Busiest()
    for at in range(0, len(stream), 70):
        window.seen(stream[at : at + 70])
    assert EVENTS <= window.events <= EVENTS + 2_200
    true = np.unique(stream[-window.events :], return_counts=True)[1]
    share = true.max() / window.events
    assert share <= window.share <= share + 1 / (KEPT + 1)
    if users < KEPT:
        assert (window.share, window.users) == (share, len(true))
    else:
        assert KEPT < window.users <= len(true)
