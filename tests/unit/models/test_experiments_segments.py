"""Who is in a segment, and that an experiment with one leaves all others out."""

from __future__ import annotations

import pytest

from models.experiments.assignment import Assignments
from models.experiments.changes import decoded, encoded
from models.experiments.definition import (
    HOLDOUT,
    Arm,
    CannotRun,
    Experiment,
    ExperimentAsk,
    experiment_of,
    read,
    source_of,
)
from models.experiments.segments import segment_of, segments_of
from models.experiments.tallies import Counts
from models.records import PURCHASE, Event
from models.records.attributes import Attributes

PRO, FREE = (
    Attributes(b'{"plan": "%s", "orders": 12, "cities": ["Oslo", "Bergen"]}' % plan) for plan in (b"pro", b"free")
)
ARMS = Arm("plain", 0.5), Arm("varied", 0.5, diversity=0.4)
AMONG = Experiment("among", "0f" * 8, ARMS, segment="plan:pro")


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("plan:pro", True),
        ("plan:Pro", False),
        ("orders:12", True),
        ("orders>=12", True),
        ("orders<12", False),
        ("cities:Bergen", True),
        ("city:Bergen", False),
        ("plan>=1", False),
    ],
)
def test_a_user_is_in_a_segment_by_the_value_of_an_attribute(text: str, inside: bool) -> None:
    assert segment_of(text).has(PRO) is inside
    assert not segment_of(text).has(None), "a user of whom nothing is known is in none"


@pytest.mark.parametrize("text", ["", "plan", "plan:", ":pro", "orders>many"])
def test_what_is_no_segment_is_refused_with_what_belongs_there(text: str) -> None:
    with pytest.raises(ValueError, match="as plan:pro"):
        segment_of(text)


def test_a_slate_is_counted_for_each_segment_of_its_user() -> None:
    wanted = [segment_of(text) for text in ("plan:pro", "plan:free", "orders>10")]
    assert segments_of(PRO, wanted) == ["plan:pro", "orders>10"]
    assert segments_of(None, wanted) == []


def test_only_users_of_the_segment_take_part_and_they_keep_the_arm_that_they_would_have() -> None:
    everybody = Assignments([AMONG, Experiment("all", "f0" * 8, ARMS)])
    assert set(everybody.arms("ann", 1.0, PRO)) == {"among", "all"}
    assert set(everybody.arms("ann", 1.0, FREE)) == set(everybody.arms("ann", 1.0)) == {"all"}
    without = Assignments([Experiment("among", "0f" * 8, ARMS)])
    for user in ("ann", "bob", "eve", "fay"):
        assert everybody.arms(user, 1.0, PRO)["among"] == without.arms(user, 1.0)["among"]


def test_attributes_are_read_only_while_an_experiment_needs_them() -> None:
    over = Experiment("among", "0f" * 8, ARMS, start=5.0, end=9.0, segment="plan:pro")
    assert [Assignments([over]).by_attributes(at) for at in (4.0, 5.0, 9.0)] == [False, True, False]
    assert not Assignments([Experiment("all", "0f" * 8, ARMS)]).by_attributes(5.0)


def test_users_of_the_holdout_are_in_no_experiment_of_a_segment_either() -> None:
    holdout = Experiment(HOLDOUT, "0f" * 8, (Arm(HOLDOUT, 1.0),))
    assert set(Assignments([holdout, AMONG]).arms("ann", 1.0, PRO)) == {HOLDOUT}


def test_purchases_of_others_are_not_counted() -> None:
    counts, everybody = Counts(), Assignments([AMONG])
    for user, attributes in (("ann", PRO), ("bob", FREE), ("eve", None)):
        counts.event(Event(PURCHASE, user, "tea", 1.0, price=5.0), everybody, attributes)
    assert sum(arm.spending.total for arm in counts.tallies[AMONG.id].arms) == 5.0


def test_an_experiment_keeps_its_segment_and_one_without_is_named_as_before() -> None:
    ask = ExperimentAsk(name="among", arm=ARMS, segment="orders>=3")
    assert experiment_of(ask, 0.0, "0f" * 8).segment == "orders>=3"
    assert read({"name": "a", "arm": [{"name": "a", "share": 0.5}, {"name": "b", "share": 0.5}]}).segment == ""
    assert source_of(ask) != source_of(ExperimentAsk(name="among", arm=ARMS))
    old = b'[{"name": "old", "salt": "0f", "arms": []}]'
    assert decoded(old)[0].segment == "", "one that an earlier release kept is for all users"
    with pytest.raises(CannotRun, match="cannot be read"):
        decoded(encoded((Experiment("new", "0f", ARMS, segment="plan in pro,free"),)))
