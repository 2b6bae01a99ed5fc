"""Which users get which arm: by their shares, the same everywhere, and independent of other experiments' arms."""

from __future__ import annotations

from collections import Counter

from models.experiments.assignment import Assigned, Assignments
from models.experiments.definition import HOLDOUT, REST, Arm, Experiment, holdout_of

USERS = [f"user-{number}" for number in range(20_000)]
THREE = (Arm("a", 0.5), Arm("b", 0.3), Arm("c", 0.1))


def test_users_are_divided_by_the_shares_and_the_rest_is_in_no_arm() -> None:
    each = Assigned(Experiment("e", "0f" * 8, THREE))
    found = Counter(each.arm(user) for user in USERS)
    for place, share in ((0, 0.5), (1, 0.3), (2, 0.1), (-1, 0.1)):
        assert abs(found[place] / len(USERS) - share) < 0.015


def test_a_user_keeps_the_arm_on_every_replica_and_in_every_release() -> None:
    each = Assigned(Experiment("e", "0f" * 8, THREE))
    # Written down: another answer would move users between the arms of experiments that run.
    assert [each.arm(user) for user in ("ann", "bob", "čeněk", "\ud800", "")] == [0, 0, 0, 1, 0]


def test_the_arms_of_two_experiments_are_independent() -> None:
    one, other = (Assigned(Experiment("e", salt * 8, (Arm("a", 0.5), Arm("b", 0.5)))) for salt in ("0f", "f0"))
    found = Counter((one.arm(user), other.arm(user)) for user in USERS)
    assert all(abs(count / len(USERS) - 0.25) < 0.015 for count in found.values())


def test_users_of_the_holdout_are_in_nothing_else() -> None:
    everybody = Assignments([
        Experiment("e", "0f" * 8, (Arm("a", 0.5), Arm("b", 0.5))),
        holdout_of(0.2, -9.0, "f0" * 8),
    ])
    arms = [everybody.arms(user, 1.0) for user in USERS]
    held = [each for each in arms if each[HOLDOUT].name == HOLDOUT]
    others = [each for each in arms if each[HOLDOUT].name == REST]
    assert abs(len(held) / len(USERS) - 0.2) < 0.015
    assert all(set(each) == {HOLDOUT} for each in held)
    assert all(set(each) == {HOLDOUT, "e"} for each in others)


def test_nobody_is_in_an_experiment_before_its_start_or_after_its_end() -> None:
    everybody = Assignments([Experiment("e", "0f" * 8, (Arm("a", 1.0),), start=5.0, end=9.0)])
    assert [bool(everybody.arms("ann", at)) for at in (4.9, 5.0, 8.9, 9.0)] == [False, True, True, False]
    assert not Assignments()
