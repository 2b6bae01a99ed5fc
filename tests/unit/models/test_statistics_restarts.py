"""Sums that begin again and again: what they say of the present, and how seldom they are wrong."""

from __future__ import annotations

import random
from collections.abc import Iterable

import msgspec
import numpy as np
import pytest

from models.gate import Policy, comparisons
from models.statistics.comparison import Comparison
from models.statistics.restarts import STEP, Start, kept, life, share

POLICY = Policy()
HIT_RATE, DISCORDANT = 0.3, 0.1


def filled(events: Iterable[tuple[int, int]]) -> Comparison:
    comparison = Comparison("a")
    for rank, other in events:
        comparison.add(rank, other)
    return comparison


def ranks(draw: random.Random, count: int, mean: float) -> list[tuple[int, int]]:
    """Ranks of two models whose hit rates differ by `mean`, on one event in ten."""
    apart, found = max(DISCORDANT, abs(mean)), []
    for _ in range(count):
        side, place = draw.random(), draw.randrange(1, 21)
        if side < (apart + mean) / 2:
            found.append((place, 0))
        elif side < apart:
            found.append((0, place))
        else:
            found.append((place, place) if draw.random() < HIT_RATE / (1 - DISCORDANT) else (0, 0))
    return found


def test_each_sequence_has_the_sums_of_the_events_since_it_began() -> None:
    events = ranks(random.Random(1), 23_456, -0.03)
    comparison = filled(events)
    assert len(comparison.starts) > 8
    differences = np.array([(bool(one) - bool(other)) for one, other in events])
    reciprocal = np.clip([(1 / one if one else 0) - (1 / other if other else 0) for one, other in events], -0.5, 0.5)
    for start in comparison.starts:
        before = slice(0, start.n)
        assert start.n % STEP == 0
        assert (start.hit, start.hit_squares) == (differences[before].sum(), (differences[before] ** 2).sum())
        assert start.reciprocal == pytest.approx(reciprocal[before].sum(), abs=1e-4)
        assert start.reciprocal_squares == pytest.approx((reciprocal[before] ** 2).sum(), abs=1e-4)
    # Whenever a model heals, some sequence begins soon after, and lives for as long as it takes.
    marks = [start.n for start in comparison.starts]
    for age in (2 * STEP, 8 * STEP, 20 * STEP, 40 * STEP):
        assert any(age * 0.5 <= comparison.n - n <= age for n in marks), (age, marks)


def test_few_are_kept_however_long_a_pair_lasts() -> None:
    starts: list[Start] = []
    for step in range(1, 20_000):
        starts = kept([*starts, Start(step * STEP, 10_000, 100_000, 1234.567891, 12345.678912)], step * STEP)
    assert len(starts) < 40
    assert len(msgspec.json.encode(starts)) < 2_500
    assert all(life(start.n) >= 20_000 * STEP - STEP - start.n for start in starts)


def test_all_bounds_of_all_sequences_hold_together_as_often_as_they_say() -> None:
    """Also where the difference changes its sign again and again."""
    alpha, runs, wrong = 0.2, 40, 0
    for run in range(runs):
        draw, comparison, failed = random.Random(run), Comparison("a"), False
        turn = draw.choice((100_000, 700))
        truth = np.zeros(6_001)
        for at in range(1, 6_001):
            mean = 0.05 if (at // turn) % 2 else -0.05 * (turn < 100_000)
            truth[at] = truth[at - 1] + mean
            comparison.add(*ranks(draw, 1, mean)[0])
            if at % 250 == 0:
                for bounds in comparison.since(alpha):
                    average = (truth[at] - truth[at - bounds.n]) / bounds.n
                    failed = failed or not bounds.hit[0] <= average <= bounds.hit[1]
        wrong += failed
    # alpha for each side of two measures; only one measure is looked at here.
    assert wrong / runs <= alpha


def until(comparison: Comparison, draw: random.Random, mean: float, most: int) -> int | None:
    """Tested events until the challenger is let in, asked every 250; None if it is not within `most`."""
    for events in range(250, most + 1, 250):
        for rank, other in ranks(draw, 250, mean):
            comparison.add(rank, other)
        if comparisons.as_good(comparison, POLICY) and not comparisons.harmed(comparison, POLICY):
            return events
    return None


@pytest.mark.parametrize(("worse", "bad"), [(0.05, 3_000), (0.1, 15_000), (0.3, 90_000)])
def test_who_has_healed_is_let_in_within_three_times_a_fresh_comparison(worse: float, bad: int) -> None:
    draw = random.Random(7)
    fresh = until(Comparison("a"), draw, 0.02, 100_000)
    assert fresh is not None
    comparison = filled(ranks(draw, bad, -worse))
    assert comparisons.harmed(comparison, POLICY) == "harm"
    assert not comparisons.as_good(comparison, POLICY)
    back = until(comparison, draw, 0.02, 3 * fresh)
    assert back is not None
    assert not comparisons.better(comparison, POLICY), "better is said of the whole pair"


def test_who_is_still_worse_by_more_than_the_margin_is_not_let_in() -> None:
    draw = random.Random(8)
    comparison = filled(ranks(draw, 9_000, -0.1))
    assert until(comparison, draw, -0.01, 60_000) is None
    assert comparisons.harmed(comparison, POLICY) == "harm"


def test_who_was_better_for_long_and_becomes_worse_is_found_out_soon() -> None:
    draw = random.Random(9)
    comparison = filled(ranks(draw, 90_000, 0.05))
    assert comparisons.better(comparison, POLICY)
    for rank, other in ranks(draw, 4_000, -0.1):
        comparison.add(rank, other)
    assert comparison.hit.mean > 0
    assert comparisons.harmed(comparison, POLICY) in {"harm", "crash"}
    assert not comparisons.better(comparison, POLICY)


def test_a_start_that_comes_later_gets_less_of_the_error_than_an_earlier_one_of_its_kind() -> None:
    assert [share(step * STEP) > share((step + 2) * STEP) for step in (1, 3, 5, 101)] == [True] * 4
    assert share(2**20 * STEP) > 0.0
