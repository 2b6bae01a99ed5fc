"""Who is in a segment, and that an experiment with one leaves all others out."""

from __future__ import annotations

import msgspec
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
from models.experiments.results import results
from models.experiments.segments import segment_of, segments_of
from models.experiments.tallies import GROUPS, Counts, Measured, Tally
from models.records import CLICK, PURCHASE, Event, SlateRecord
from models.records.attributes import Attributes
from models.statistics import CannotUnpack, pack

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


ALL = Experiment("all", "f0" * 8, ARMS, control="plain", start=1.0, minimum=0.0)
EVERYBODY = Assignments([ALL])
SEGMENTS = tuple(segment_of(text) for text in ("plan:pro", "plan:free", "orders>10"))
NAMES = [segment.text for segment in SEGMENTS]


def counted(users: int = 400, each: int = 3) -> Counts:
    """Slates, clicks and purchases of users of whom every other one is pro, and a third have no attributes."""
    counts = Counts()
    for number in range(users):
        user, attributes = f"user-{number}", None if number % 3 == 0 else (PRO, FREE)[number % 2]
        arm = EVERYBODY.arms(user, 2.0)["all"].name
        named = segments_of(attributes, SEGMENTS)
        for _ in range(each):
            shown = SlateRecord("5f", 2.0, ["tea"], user, experiments={"all": arm}, segments=[*named, "tier:gold"])
            counts.slate(shown, EVERYBODY, NAMES)
        counts.event(Event(CLICK, user, "tea", 2.0, request_id="5f"), EVERYBODY, attributes, SEGMENTS)
        counts.event(Event(PURCHASE, user, "tea", 2.0, price=2.5), EVERYBODY, attributes, SEGMENTS)
    return counts


def totals(tally: Tally, segment: str) -> list[tuple[float, float, float, float]]:
    """Slates, users, clicks and spending of each arm; of all users for ""."""
    part = tally.part(segment) if segment else tally.whole()
    assert part.weight is not None
    return [
        (arm.slates.total, round(part.weight * arm.users.total), arm.click.total, arm.spending.total)
        for arm in part.arms
    ]


def test_the_parts_by_segment_and_those_of_no_segment_add_up_to_the_whole() -> None:
    tally = counted().tallies[ALL.id]
    everybody = totals(tally, "")
    pro, free = totals(tally, "plan:pro"), totals(tally, "plan:free")
    for place in range(2):
        of_both = [one + other for one, other in zip(pro[place], free[place], strict=True)]
        nobodys = sum(EVERYBODY.arms(f"user-{number}", 2.0)["all"] == ARMS[place] for number in range(0, 400, 3))
        without = [3 * nobodys, nobodys, nobodys, 2.5 * nobodys]
        found = [one + other for one, other in zip(of_both, without, strict=True)]
        assert found == pytest.approx(list(everybody[place]), rel=0.02)
        assert found[0] == everybody[place][0], "only users are estimated"
        assert totals(tally, "orders>10")[place] == pytest.approx(of_both, rel=0.02), "both have twelve"
    assert totals(tally, "tier:gold") == [(0.0, 0, 0.0, 0.0)] * 2, "a segment that is not counted"
    assert tally.part("plan:pro").since == 2.0


def test_what_is_counted_by_segment_travels_and_ends_with_its_name() -> None:
    counts = counted()
    again = Counts.unpacked(counts.packed())
    assert again == counts
    again.keep([ALL], ["plan:pro"])
    tally = again.tallies[ALL.id]
    assert totals(tally, "plan:pro") == totals(counts.tallies[ALL.id], "plan:pro")
    assert totals(tally, "plan:free") == [(0.0, 0, 0.0, 0.0)] * 2
    arm = EVERYBODY.arms("user-1", 2.0)["all"].name
    shown = SlateRecord("5f", 2.0, ["tea"], "user-1", experiments={"all": arm}, segments=["plan:free"])
    counts.keep([ALL], ["plan:pro"])
    counts.slate(shown, EVERYBODY, NAMES)
    found = counts.tallies[ALL.id].part("plan:free")
    assert sum(arm.users.total for arm in found.arms) == 1, "a segment that comes back counts its users again"
    apart = again.tallies[ALL.id].by_segment
    assert apart is not None
    apart.seen.pop()
    with pytest.raises(CannotUnpack):
        Counts.unpacked(again.packed())


def test_counts_of_an_older_release_have_no_segments() -> None:
    counts = counted()
    old = msgspec.msgpack.decode(msgspec.msgpack.encode(counts))
    for tally in old["tallies"].values():
        del tally[3:]
    found = Counts.unpacked(pack(old)).tallies[ALL.id]
    assert (found.by_segment, totals(found, "")) == (None, totals(counts.tallies[ALL.id], ""))
    assert totals(found, "plan:pro") == [(0.0, 0, 0.0, 0.0)] * 2


def even(each: float) -> Measured:
    return Measured([each] * GROUPS, each * GROUPS)


def test_segments_share_the_error_of_all_users_and_are_told_so() -> None:
    tally = Tally.empty(2)
    apart = tally.part("none").arms
    for arms in (tally.arms, apart):
        for arm, clicks in zip(arms, (10.0, 15.0), strict=True):
            arm.slates, arm.users, arm.click = even(100.0), even(30.0), even(clicks)
    tally.slate("ann", 0, 5.0, ["plan:pro"])
    assert tally.by_segment is not None
    tally.by_segment.segments["plan:pro"].arms = list(apart)

    def told(among: str, *segments: str) -> tuple[float, str, tuple[str, ...]]:
        found = results(ALL, tally, 1e6, segments=segments, among=among)
        lift = found.arms[1].measures["click"].lift
        assert lift is not None
        assert lift.low is not None
        assert (found.among, found.segments) == (among, segments)
        return lift.low, found.verdict, found.conclusion

    whole, alone, three = told("", *NAMES), told("plan:pro", "plan:pro"), told("plan:pro", *NAMES)
    assert whole[0] == pytest.approx(alone[0], abs=0.01)
    assert three[0] < alone[0]
    assert whole[1] == three[1] == "better"
    assert three[2][0].startswith("Among users with plan:pro: varied is better than plain: 50.0 % more clicks")
    assert three[2][-1].startswith("Looking at 3 segments is 3 chances of error. They share one")
    assert "two chances of error" in alone[2][-1]
    assert not any("chances" in sentence for sentence in whole[2])


def test_an_experiment_of_many_arms_counts_the_first_segments_and_says_so_of_the_others() -> None:
    many = Experiment("many", "f0" * 8, tuple(Arm(f"a{place}", 0.125) for place in range(8)), control="a0", minimum=0.0)
    named = [f"tier:{place}" for place in range(20)]
    counts, everybody = Counts(), Assignments([many])
    attributes = [Attributes(b'{"tier": "%d"}' % place) for place in range(20)]
    for place, name in enumerate(named):
        arm = everybody.arms("ann", 1.0)["many"].name
        counts.slate(
            SlateRecord("5f", 1.0, ["tea"], "ann", experiments={"many": arm}, segments=[name]), everybody, named
        )
        clicked = Event(CLICK, "ann", "tea", 1.0, request_id="5f")
        counts.event(clicked, everybody, attributes[place], tuple(map(segment_of, named)))
    tally = counts.tallies[many.id]
    assert tally.by_segment is not None
    assert list(tally.by_segment.segments) == named[:6]
    found = results(many, tally, 1e6, segments=named, among="tier:3")
    assert (found.segments, sum(arm.slates for arm in found.arms)) == (tuple(named[:6]), 1)
    left_out = results(many, tally, 1e6, segments=named, among="tier:6")
    assert left_out.conclusion == (
        "Users with tier:6 are not counted apart: of so many arms, only the first 6 segments are.",
    )


def test_a_segment_that_is_named_late_is_not_decided_by_the_days_before() -> None:
    tally = Tally.empty(2)
    tally.slate("ann", 0, 500.0, ["plan:pro"])
    days = Experiment("all", "f0" * 8, ARMS, control="plain", start=1.0, minimum=1_000.0)
    assert results(days, tally, 1_200.0, segments=NAMES).verdict == "undecided"
    late = results(days, tally, 1_200.0, segments=NAMES, among="plan:pro")
    assert (late.verdict, late.not_before, late.start) == ("too_early", 1_500.0, 1.0)
    never = results(days, tally, 1_200.0, segments=NAMES, among="plan:free")
    assert (never.verdict, never.not_before) == ("undecided", 1_001.0)


def test_an_arm_that_changes_who_is_in_the_segment_raises_the_alarm() -> None:
    tally = Tally.empty(2)
    for number in range(600):
        arm = number % 2
        tally.slate(f"user-{number}", arm, 5.0, ["plan:pro"] if arm == 0 or number % 3 == 0 else [])
    assert not results(ALL, tally, 1e6, segments=NAMES).shares_alarm
    found = results(ALL, tally, 1e6, segments=NAMES, among="plan:pro")
    assert found.verdict == "shares_wrong"
    assert "an arm changes who is in the segment" in " ".join(found.conclusion)


def test_an_experiment_keeps_its_segment_and_one_without_is_named_as_before() -> None:
    ask = ExperimentAsk(name="among", arm=ARMS, segment="orders>=3")
    assert experiment_of(ask, 0.0, "0f" * 8).segment == "orders>=3"
    assert read({"name": "a", "arm": [{"name": "a", "share": 0.5}, {"name": "b", "share": 0.5}]}).segment == ""
    assert source_of(ask) != source_of(ExperimentAsk(name="among", arm=ARMS))
    old = b'[{"name": "old", "salt": "0f", "arms": []}]'
    assert decoded(old)[0].segment == "", "one that an earlier release kept is for all users"
    with pytest.raises(CannotRun, match="cannot be read"):
        decoded(encoded((Experiment("new", "0f", ARMS, segment="plan in pro,free"),)))
