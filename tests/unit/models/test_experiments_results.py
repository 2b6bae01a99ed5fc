"""What an operator is told: a difference when it is shown, nothing before the minimum runtime, and alarms first."""

from __future__ import annotations

import pytest

from models.experiments.definition import Arm, Experiment, Metric, holdout_of
from models.experiments.results import ExperimentResults, Rate, results, shares_wrong
from models.experiments.tallies import GROUPS, Measured, Tally

ARMS = (Arm("plain", 0.5), Arm("varied", 0.5, diversity=0.4))


def even(each: float, amount: float = 1.0) -> Measured:
    """`each` of `amount` for every group of users."""
    return Measured([each * amount] * GROUPS, each * GROUPS * amount * amount)


def counted(clicks: tuple[float, float], users: tuple[float, float] = (30.0, 30.0)) -> Tally:
    """Two arms with so many clicks and users a group, and 100 slates each."""
    tally = Tally.empty(2)
    for arm, each, known in zip(tally.arms, clicks, users, strict=True):
        arm.slates, arm.click, arm.users = even(100.0), even(each), even(known)
    tally.taken = round(sum(users) * GROUPS)
    return tally


def told(tally: Tally | None, now: float = 1e6, metric: Metric = "click", **more: float) -> ExperimentResults:
    return results(Experiment("e", "0f" * 8, ARMS, metric, "plain", **more), tally, now)


def test_a_shown_difference_is_said_with_its_size_and_bounds() -> None:
    found = told(counted((10.0, 15.0)))
    assert found.verdict == "better"
    lift = found.arms[1].measures["click"].lift
    assert lift is not None
    assert lift.low is not None
    assert lift.high is not None
    assert lift.value == 0.5
    assert 0.0 < lift.low < 0.5 < lift.high
    (sentence,) = found.conclusion
    assert sentence.startswith("varied is better than plain: 50.0 % more clicks on slates per user, between")
    assert found.arms[0].measures["click"].lift is None, "the control is compared with nobody"
    assert told(counted((15.0, 10.0))).verdict == "worse"


def test_a_rate_is_for_each_slate_and_for_each_user() -> None:
    plain = told(counted((10.0, 15.0))).arms[0]
    assert plain.slates == 100 * GROUPS
    assert plain.users == pytest.approx(30 * GROUPS, rel=0.05)
    assert plain.measures["click"].per_slate.value == 0.1
    assert plain.measures["click"].per_user.value == pytest.approx(1 / 3, rel=0.05)


def test_what_is_not_shown_is_not_said() -> None:
    found = told(counted((10.0, 10.4)))
    assert found.verdict == "undecided"
    assert found.conclusion[0].startswith("No difference between varied and plain is shown yet: 4.0 % more")
    assert told(counted((0.0, 0.0))).conclusion == (
        "Nothing can be said about varied yet: there are no clicks on slates to compare.",
    )
    worth = told(counted((0.0, 0.0)), metric="spending").conclusion[0]
    assert worth == "Nothing can be said about varied yet: there is no revenue in all to compare."


def test_nothing_is_decided_before_the_minimum_runtime_and_nothing_after_an_early_end() -> None:
    early = told(counted((10.0, 15.0)), now=86_400.0, minimum=2 * 86_400.0)
    assert early.verdict == "too_early"
    assert early.conclusion[-1] == "Decide nothing before the minimum runtime is over, in 1.0 days."
    ended = told(counted((10.0, 15.0)), now=1e7, minimum=2 * 86_400.0, end=86_400.0)
    assert (ended.state, ended.verdict) == ("ended", "too_early")
    assert "conclude nothing" in ended.conclusion[-1]
    assert told(None, now=0.0, start=5.0).verdict == told(None, now=0.0, start=5.0).state == "scheduled"


def test_wrong_shares_silence_every_comparison() -> None:
    found = told(counted((10.0, 15.0), users=(30.0, 24.0)))
    assert found.shares_alarm
    assert found.verdict == "shares_wrong"
    assert "plain 55.6 %, varied 44.4 %" in found.conclusion[0]
    assert "better" not in " ".join(found.conclusion)


@pytest.mark.parametrize(
    ("users", "wrong"), [((0, 0), False), ((60, 40), False), ((600, 400), True), ((10_000, 10_150), False)]
)
def test_the_alarm_about_shares_needs_evidence(users: tuple[float, float], wrong: bool) -> None:
    assert shares_wrong(users, (0.5, 0.5)) == wrong
    assert shares_wrong(users, (0.05, 0.05)) == wrong, "shares count among themselves"


def test_several_arms_share_the_error() -> None:
    def width(arms: int) -> float:
        tally = counted((10.0, 15.0))
        tally.arms += [tally.arms[0]] * (arms - 2)
        shares = tuple(Arm(f"a{place}", 0.125) for place in range(arms))
        found = results(Experiment("e", "0f" * 8, shares, control="a0"), tally, 1e6).arms[1].measures["click"].lift
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        return found.high - found.low

    assert width(2) < width(3) < width(8)


def test_the_holdout_says_what_the_recommender_is_worth() -> None:
    tally = counted((10.0, 10.0), users=(2.0, 98.0))
    tally.arms[0].spending, tally.arms[1].spending = even(200.0, 20.0), even(1_100.0, 20.0)
    found = results(holdout_of(0.1, 0.0, "0f" * 8), tally, 1e6)
    lift = found.arms[1].measures["spending"].lift
    assert lift is not None
    assert lift.value == pytest.approx((1_100 / 0.9) / (200 / 0.1) - 1, abs=1e-6)
    assert found.shares_alarm, "two of a hundred are not a tenth"
    tally.arms[0].users, tally.arms[1].users = even(10.0), even(90.0)
    found = results(holdout_of(0.1, 0.0, "0f" * 8), tally, 1e6)
    assert found.conclusion[0].startswith("The recommender is worse than a list of popular items: 38.9 % less revenue")


def test_users_that_are_too_many_are_not_counted_and_everything_else_is() -> None:
    tally = counted((10.0, 15.0))
    tally.taken = 1 << 16
    found = told(tally)
    assert found.arms[0].users is None
    assert found.arms[0].measures["click"].per_user == Rate(None, None, None)
    assert found.verdict == "better"
