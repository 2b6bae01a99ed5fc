"""A rebuilt model at the gate: the champion stays until the new one is shown to be no worse."""

from __future__ import annotations

from models.gate import Evidence, GateState, Policy, Request, Version, decide
from models.statistics.comparison import Comparison, Standing
from models.statistics.confidence import Sums

OLD, SERVED = Version("a", 1), Version("b", 2)
REBUILT = Version("c", 3, rebuilt="r1")


def shown(total: float, against: str, n: int = 4_000) -> Comparison:
    return Comparison(against, hit=Sums(1.0, n, total, 200.0), reciprocal=Sums(0.5, n))


def evidence(**known: object) -> Evidence:
    return Evidence(REBUILT, SERVED, OLD, **known)  # type: ignore[arg-type]


def test_without_evidence_a_rebuilt_model_waits_where_a_newer_version_of_the_same_model_goes_live() -> None:
    assert decide(GateState(), evidence(), Policy(), 0.0).reasons == ("unproven",)
    assert decide(GateState(), Evidence(Version("c", 3), SERVED, OLD), Policy(), 0.0).action == "promote"


def test_shown_to_be_no_worse_than_what_is_served_it_goes_live_and_from_then_on_like_any_other() -> None:
    better = Standing(champion=shown(200.0, "b"))
    decision = decide(GateState(), evidence(standing=better), Policy(), 0.0)
    assert (decision.action, decision.reasons, decision.target) == ("promote", ("sound", "proven"), REBUILT)
    after = Evidence(Version("d", 4, rebuilt="r1"), REBUILT, OLD)
    assert decide(decision.next_state, after, Policy(), 1.0).reasons == ("sound",)


def test_worse_than_what_is_served_it_is_held_and_what_is_served_is_not_rolled_back_for_it() -> None:
    worse = Standing(champion=shown(-400.0, "b"), reference=shown(-400.0, "a"))
    decision = decide(GateState(), evidence(standing=worse), Policy(), 0.0)
    assert (decision.action, decision.reasons) == ("hold", ("unproven", "harm"))


def test_what_is_served_is_rolled_back_for_its_own_faults_meanwhile() -> None:
    harmed = shown(-400.0, "a")
    harmed.of = "b"
    decision = decide(GateState(), evidence(standing=Standing(probation=harmed)), Policy(), 0.0)
    assert (decision.action, decision.target) == ("rollback", OLD)


def test_an_operator_may_let_it_go_live_unproven() -> None:
    request = Request("promote", "ops", "we looked at it")
    assert decide(GateState(), evidence(request=request), Policy(), 0.0).reasons == ("requested", "sound")


def test_a_first_version_goes_live_whatever_it_comes_of() -> None:
    assert decide(GateState(), Evidence(REBUILT), Policy(), 0.0).reasons == ("first_version", "sound")
