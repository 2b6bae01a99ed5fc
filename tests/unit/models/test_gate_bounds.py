"""The gate decides by bounds that two measures hold together: a mean, or the bound of one alone, is no evidence."""

from __future__ import annotations

import pytest

from models.gate import Evidence, GateState, Policy, Version, decide
from models.statistics.comparison import Bounds, Comparison, Standing, Window
from models.statistics.confidence import Sums, radius
from models.statistics.restarts import WHOLE

POLICY = Policy()
OLD, NEW, NEWEST = Version("old", 1), Version("new", 2), Version("newest", 3)
SPREAD = 200.0
MEASURES = ("hit", "reciprocal")
BOUND = {"hit": 1.0, "reciprocal": 0.5}


def sums(bound: float, n: int, total: float = 0.0, variance: float = SPREAD) -> Sums:
    return Sums(bound, n, total * bound, variance * bound * bound)


def compared(n: int, against: str = "old", hits: int = 0, **totals: float) -> Comparison:
    """A comparison of `n` events; `totals`: of each measure, in units of its bound."""
    return Comparison(
        against,
        hit=sums(1.0, n, totals.get("hit", 0.0)),
        reciprocal=sums(0.5, n, totals.get("reciprocal", 0.0)),
        hits=hits,
        other_hits=hits,
    )


@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_two_measures_share_one_alpha(alpha: float) -> None:
    comparison = compared(4_000, hit=60.0, reciprocal=-30.0)
    shared = Bounds(comparison.hit.interval(alpha / 2), comparison.reciprocal.interval(alpha / 2), 4_000)
    assert comparison.bounds(alpha) == shared
    assert shared.hit != comparison.hit.interval(alpha)
    assert shared.reciprocal != comparison.reciprocal.interval(alpha)
    # The sequences that begin while the pair lasts have the rest.
    assert list(comparison.since(alpha)) == [comparison.bounds(WHOLE * alpha)]


@pytest.mark.parametrize("measure", MEASURES)
def test_what_one_measure_alone_would_call_harm_is_none_while_the_two_share_an_alpha(measure: str) -> None:
    alone, together = (float(radius(SPREAD, WHOLE * POLICY.alpha_harm * part)) for part in (1.0, 0.5))
    assert alone < together

    def reasons(loss: float) -> tuple[str, ...]:
        standing = Standing(reference=compared(4_000, **{measure: -loss}))
        return decide(GateState(), Evidence(NEWEST, NEW, OLD, standing=standing), POLICY, 0.0).reasons

    assert reasons((alone + together) / 2) == ("sound",)
    assert reasons(together + 1.0) == ("harm",)


@pytest.mark.parametrize("measure", MEASURES)
def test_strict_needs_the_same_of_what_it_calls_superior(measure: str) -> None:
    alone, together = (float(radius(SPREAD, alpha)) for alpha in (WHOLE * POLICY.alpha, WHOLE * POLICY.alpha / 2))
    strict = GateState(mode="strict", promoted_at=-100.0)

    def reason(gain: float) -> str:
        standing = Standing(champion=compared(4_000, **{measure: gain}))
        return decide(strict, Evidence(NEW, OLD, OLD, standing=standing), POLICY, 0.0).reasons[0]

    assert reason((alone + together) / 2) == "inconclusive"
    assert reason(together + 1.0) == "superior"


# Two models that are alike so far. Of few events the mean is within the margin and the bound is not.
FEW, MANY = compared(2_000), compared(60_000)


def test_the_mean_of_few_events_is_within_the_margin_and_its_bound_is_not() -> None:
    for comparison, shown in ((FEW, False), (MANY, True)):
        margin = comparison.margin(POLICY.margin, POLICY.margin_relative)
        assert comparison.hit.mean == comparison.reciprocal.mean == 0.0 > -margin
        assert comparison.bounds(POLICY.alpha).above(margin) == shown


def test_no_worse_so_far_is_not_shown_to_be_no_worse() -> None:
    """Every rule that asks for non-inferiority asks for its bound. An alarm, which proves nothing, asks for less."""
    rebuilt = Version("rebuilt", 3, rebuilt="r1")
    odd = Window(POLICY.window, bad=0.9, users=99)
    strict = GateState(mode="strict", promoted_at=-100.0)

    def reasons(
        comparison: Comparison,
        state: GateState,
        candidate: Version = NEWEST,
        window: Window = Window(),  # noqa: B008
    ) -> tuple[str, ...]:
        standing = Standing(reference=comparison, champion=comparison, window=window)
        return decide(state, Evidence(candidate, OLD, OLD, standing=standing), POLICY, 0.0).reasons

    assert reasons(FEW, strict) == ("inconclusive",)
    assert reasons(MANY, strict) == ("passing",)
    assert reasons(FEW, GateState(recovering=True)) == ("recovering",)
    assert reasons(MANY, GateState(recovering=True)) == ("sound", "recovered")
    assert reasons(FEW, GateState(), rebuilt) == ("unproven",)
    assert reasons(MANY, GateState(), rebuilt) == ("sound", "proven")
    assert reasons(FEW, GateState()) == ("sound",)
    assert reasons(MANY, GateState()) == ("sound", "healthy")
    assert reasons(FEW, GateState(), window=odd) == ("sound",)
    assert reasons(MANY, GateState(), window=odd) == ("sound", "healthy")


@pytest.mark.parametrize("measure", MEASURES)
def test_the_lower_bound_of_each_measure_is_held_against_the_margin(measure: str) -> None:
    """A hair inside the margin it passes, a hair outside it does not, however good the other measure looks."""
    reach = float(radius(SPREAD, WHOLE * POLICY.alpha / 2))
    n = int(1.5 * reach * BOUND[measure] / POLICY.margin)
    other = next(each for each in MEASURES if each != measure)
    strict = GateState(mode="strict", promoted_at=-100.0)

    def reason(lower: float) -> str:
        standing = Standing(champion=compared(n, **{measure: lower * n / BOUND[measure] + reach, other: reach / 2}))
        return decide(strict, Evidence(NEW, OLD, OLD, standing=standing), POLICY, 0.0).reasons[0]

    assert reason(-POLICY.margin + 1e-6) == "passing"
    assert reason(-POLICY.margin - 1e-6) == "inconclusive"
