"""Anchors: nothing may fall behind an older version by more than the margin, in however small steps."""

from __future__ import annotations

import msgspec
import pytest

from models.gate import Anchor, Evidence, GateState, Policy, Request, Version, anchors, decide, wanted
from models.gate.audit import complaints, record
from models.gate.clock import settled
from models.statistics import Anchored, Comparison, Standing
from models.statistics.confidence import Sums

POLICY = Policy(anchors=(60.0, 600.0))
HOUR, DAY, CHAMPION, NEWER = Version("hour", 5), Version("day", 1), Version("champion", 8), Version("newer", 9)
STANDS = GateState(anchors=(Anchor("hour", 5, 0.0), Anchor("day", 1, 0.0)))
N = 40_000


def against(version: Version, total: int, n: int = N) -> Anchored:
    """Differences of hits that add up to `total`: the margin is 0.009 of each event."""
    return Anchored(version.id, n, total, n // 10, 0.0, n / 100, n * 3 // 10)


def reference(total: float) -> Comparison:
    return Comparison("reference", hit=Sums(1.0, N, total, 400.0), reciprocal=Sums(0.5, N), other_hits=12_000)


def evidence(*found: Anchored, total: float = 400.0, request: Request | None = None) -> Evidence:
    """A champion that follows the challenger; the reference was moved on a moment ago."""
    return Evidence(
        NEWER,
        CHAMPION,
        Version("reference", 7),
        standing=Standing(reference(total), anchors=found),
        request=request,
        anchors=(HOUR, DAY),
    )


LOST, WITHIN, OPEN = -1_000, 0, -300
"""Behind by more than the margin; within it; neither is shown."""


def test_a_champion_that_walked_down_goes_back_to_the_anchor_it_is_furthest_behind() -> None:
    found = evidence(against(HOUR, LOST), against(DAY, 2 * LOST))
    back = decide(STANDS, found, POLICY, 30.0)
    assert (back.action, back.reasons, back.target, back.reference) == ("rollback", ("behind_anchor",), DAY, DAY)
    assert wanted(STANDS, found, POLICY, 30.0) == DAY
    assert back.next_state.recovering
    assert back.next_state.cool_until == 330.0
    assert [each.id for each in back.next_state.anchors] == ["day", "day"], "the younger one has seen what led to it"


def test_after_that_a_version_is_served_again_once_it_is_as_good_as_the_anchor() -> None:
    state = decide(STANDS, evidence(against(DAY, LOST)), POLICY, 0.0).next_state
    good = Comparison("day", hit=Sums(1.0, N, 400.0, 400.0), reciprocal=Sums(0.5, N))
    healed = Evidence(NEWER, DAY, DAY, standing=Standing(champion=good), anchors=(DAY,))
    assert decide(state, healed, POLICY, 400.0).reasons == ("sound", "recovered")
    fallen = msgspec.structs.replace(healed, standing=Standing(champion=good, anchors=(against(DAY, LOST),)))
    assert decide(state, fallen, POLICY, 400.0).reasons == ("behind_anchor",)


@pytest.mark.parametrize(
    ("totals", "reasons"),
    [
        ((WITHIN, WITHIN), ("sound", "healthy")),
        ((WITHIN, OPEN), ("sound",)),
        ((OPEN, WITHIN), ("sound",)),
        ((), ("sound", "healthy")),
    ],
)
def test_the_reference_moves_on_only_to_what_is_within_the_margin_of_every_anchor(
    totals: tuple[int, ...], reasons: tuple[str, ...]
) -> None:
    found = [against(version, total) for version, total in zip((HOUR, DAY), totals, strict=False)]
    assert decide(STANDS, evidence(*found), POLICY, 30.0).reasons == reasons


def test_what_is_shown_to_be_a_little_worse_than_an_anchor_and_within_its_margin_is_not_behind_it() -> None:
    little = against(DAY, -2_000, n=400_000)
    assert next(little.since(POLICY.alpha_harm)).worse
    assert decide(STANDS, evidence(little), POLICY, 30.0).reasons == ("sound", "healthy")


def test_an_anchor_with_few_compared_events_holds_nothing_up() -> None:
    few = against(DAY, 0, n=POLICY.healthy_tested - 1)
    assert decide(STANDS, evidence(few), POLICY, 30.0).reasons == ("sound", "healthy")


def test_an_anchor_that_the_store_no_longer_names_is_not_gone_back_to() -> None:
    found = msgspec.structs.replace(evidence(against(DAY, LOST)), anchors=(HOUR,))
    assert decide(STANDS, found, POLICY, 30.0).action == "promote"


def test_an_anchor_from_before_an_erasure_stands_no_longer_and_the_reference_takes_its_place() -> None:
    found = msgspec.structs.replace(evidence(against(DAY, LOST)), erased_in=6)
    after = decide(STANDS, found, POLICY, 30.0)
    assert after.action == "promote"
    assert {each.seq for each in after.next_state.anchors} <= {7, 9}


@pytest.mark.parametrize("mode", ["strict", "shadow", "continuous"])
def test_no_mode_that_decides_by_itself_promotes_what_is_behind_an_anchor(mode: str) -> None:
    state = msgspec.structs.replace(STANDS, mode=mode, promoted_at=-1_000.0)
    found = evidence(against(DAY, LOST))
    champion = Comparison("champion", hit=Sums(1.0, N, 400.0, 400.0), reciprocal=Sums(0.5, N))
    assert found.standing is not None
    found = msgspec.structs.replace(found, standing=msgspec.structs.replace(found.standing, champion=champion))
    said = decide(state, found, POLICY, 30.0)
    assert (said.action, said.reasons[0]) == ("hold" if mode == "strict" else "rollback", "behind_anchor")


def lost(found: Evidence, *versions: str) -> Evidence:
    return msgspec.structs.replace(found, lost=versions)


def test_users_go_back_to_an_anchor_where_the_reference_is_lost() -> None:
    harmed = evidence(total=-4_000.0)
    assert decide(STANDS, harmed, POLICY, 30.0).target == Version("reference", 7)
    back = decide(STANDS, lost(harmed, "reference"), POLICY, 30.0)
    assert (back.action, back.reasons) == ("rollback", ("harm", "reference_lost"))
    assert (back.target, back.reference) == (HOUR, HOUR)
    assert back.next_state.recovering
    further = decide(STANDS, lost(harmed, "reference", "hour"), POLICY, 30.0)
    assert (further.target, further.reference) == (DAY, DAY)
    all_lost = lost(harmed, "reference", "hour", "day")
    nowhere = decide(STANDS, all_lost, POLICY, 30.0)
    assert (nowhere.action, nowhere.reasons) == ("hold", ("harm", "reference_lost"))
    assert complaints([msgspec.json.encode(record(STANDS, nowhere, all_lost, POLICY, 30.0, "x"))]) == []


def test_a_lost_reference_is_replaced_with_the_next_version_that_goes_live() -> None:
    replaced = decide(STANDS, lost(evidence(total=0.0), "reference"), POLICY, 100.0)
    assert (replaced.action, replaced.reasons, replaced.reference) == ("promote", ("sound", "reference_lost"), HOUR)
    alone = decide(GateState(), lost(evidence(total=0.0), "reference"), POLICY, 100.0)
    assert alone.reference == CHAMPION
    assert "reference" not in {each.id for each in (*replaced.next_state.anchors, *alone.next_state.anchors)}


def test_an_operator_goes_back_to_what_is_there() -> None:
    asked = Request("rollback", "ops", "odd slates")
    found = msgspec.structs.replace(evidence(request=asked), candidate=None, previous=Version("previous", 6))
    ways = ("reference", "previous", "hour", "day")
    for known, target in enumerate(ways):
        decision = decide(STANDS, lost(found, *ways[:known]), POLICY, 30.0)
        assert decision.target is not None
        assert decision.target.id == target
    assert decide(STANDS, lost(found, *ways), POLICY, 30.0).reasons == ("unreadable",)


def test_an_operator_passes_over_an_anchor_by_force_alone() -> None:
    plain, forced = (
        evidence(against(DAY, LOST), request=Request("promote", "ops", "I know", force=force))
        for force in (False, True)
    )
    assert decide(STANDS, plain, POLICY, 30.0).reasons == ("behind_anchor",)
    assert decide(STANDS, forced, POLICY, 30.0).reasons == ("requested", "forced", "sound")


def test_what_was_behind_and_is_within_the_margin_since_is_not_behind() -> None:
    found = Anchored("day")
    for number in range(60_000):
        lost = number < 20_000 and not number % 10
        found.add(0 if lost else 1, 1)
    assert found.mean < -POLICY.margin_relative
    assert not anchors.behind(found, POLICY)
    assert anchors.within(found, POLICY)


def test_a_lift_that_fell_leaves_the_reference_where_it_is() -> None:
    learnt = Comparison("cosine", hit=Sums(1.0, 20_000, 1_000.0, 2_000.0), reciprocal=Sums(0.5, 20_000))
    stands = GateState(anchors=(Anchor("hour", 5, 0.0, lift=0.2), Anchor("day", 1, -90_000.0, lift=0.9)))
    found = evidence()
    assert found.standing is not None
    found = msgspec.structs.replace(found, standing=msgspec.structs.replace(found.standing, learnt=learnt))
    assert decide(stands, found, POLICY, 30.0).reasons[:2] == ("sound", "lift_lost")
    # What the ranking added more than a day ago holds up nothing.
    old = GateState(anchors=(Anchor("day", 1, -90_000.0, lift=0.9),))
    assert decide(old, found, POLICY, 30.0).reasons[:2] == ("sound", "healthy")


def test_nothing_is_said_about_the_lift_when_all_lose_alike() -> None:
    state = GateState(anchors=(Anchor("hour", 5, 0.0, lift=0.04),))
    for hits in (0.5, 0.4, 0.3):
        learnt = Comparison("cosine", hit=Sums(1.0, 20_000, 1_000.0, 2_000.0), other_hits=int(hits * 20_000))
        found = Evidence(standing=Standing(learnt=learnt), anchors=(HOUR,))
        assert not anchors.lift_lost(state, found, POLICY, 30.0)


def test_each_age_has_an_anchor_and_anchors_move_on_as_they_age() -> None:
    state, seen = GateState(), set()
    for second in range(0, 3_000, 10):
        version = Version(str(second), second)
        named = tuple(Version(each.id, each.seq) for each in state.anchors)
        found = Evidence(version, Version("old", second - 1), version, anchors=named)
        state = decide(state, found, POLICY, float(second)).next_state
        ages = [second - each.since for each in state.anchors]
        assert len(ages) == 2
        assert ages[0] < 60.0
        assert ages[1] < 600.0
        seen.add(ages[1] > 300.0)
    assert seen == {False, True}


def test_a_clock_that_is_set_back_makes_no_anchor_older_or_younger() -> None:
    state = GateState(promoted_at=1_000_000.0, anchors=(Anchor("a", 1, 999_970.0),))
    assert settled(state, 900_000.0).anchors[0].since == 899_970.0


def test_numbers_say_how_the_challenger_stands_against_each_place() -> None:
    numbers = decide(STANDS, evidence(against(HOUR, 0), against(DAY, LOST)), POLICY, 30.0).numbers
    assert numbers["anchor1_n"] == N
    assert numbers["anchor1_hit_low"] > -0.009
    assert numbers["anchor2_hit"] == -0.025
    assert numbers["anchor2_hit_high"] < -0.009


def test_a_decision_about_an_anchor_is_decided_alike_from_its_audit_record() -> None:
    found = evidence(against(DAY, LOST))
    said = decide(STANDS, found, POLICY, 30.0)
    written = msgspec.json.encode(record(STANDS, said, found, POLICY, 30.0, "test"))
    assert complaints([written]) == []
    forged = msgspec.json.decode(written)
    assert forged["evidence"]["standing"]["anchors"][0][2] == LOST


def test_sums_against_an_anchor_stay_small_for_a_week() -> None:
    found = Anchored("day", n=30_000_000, starts=[])
    found.n -= found.n % 4_000
    for _ in range(200_000):
        found.add(1, 2)
    size = len(msgspec.json.encode(found))
    print(f"{size} bytes for an anchor in each version")
    assert size < 1_500
