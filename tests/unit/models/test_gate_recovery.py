"""After the gate went back by itself, a later version goes live on evidence alone; after an operator did, at once."""

from __future__ import annotations

from models.gate import Evidence, GateState, Policy, Request, Version, decide
from models.statistics.comparison import Comparison, Standing
from models.statistics.confidence import Sums

POLICY = Policy()
GOOD, BAD, NEWER, NEWEST = Version("good", 1), Version("bad", 2), Version("newer", 3), Version("newest", 4)


def shown(total: float, against: str) -> Comparison:
    return Comparison(against, hit=Sums(1.0, 4_000, total, 200.0), reciprocal=Sums(0.5, 4_000))


def test_a_version_after_the_one_that_did_harm_is_not_served_because_time_has_passed() -> None:
    harmful = Evidence(NEWER, BAD, GOOD, standing=Standing(reference=shown(-400.0, "good")))
    back = decide(GateState(), harmful, POLICY, 0.0)
    assert (back.action, back.reasons, back.target) == ("rollback", ("harm",), GOOD)
    for now in (back.next_state.cool_until, back.next_state.cool_until + 1e6):
        assert decide(back.next_state, Evidence(NEWER, GOOD, GOOD), POLICY, now).reasons == ("recovering",)


def test_evidence_ends_the_recovery_for_the_versions_that_follow() -> None:
    state = GateState(recovering=True)
    proof = Evidence(NEWER, GOOD, GOOD, standing=Standing(champion=shown(400.0, "good")))
    recovered = decide(state, proof, POLICY, 0.0)
    assert (recovered.action, recovered.reasons) == ("promote", ("sound", "recovered"))
    assert decide(recovered.next_state, Evidence(NEWEST, NEWER, GOOD), POLICY, 1.0).reasons == ("sound",)


def test_an_operator_who_went_back_need_not_be_shown_anything() -> None:
    request = Request("rollback", "ops", "bad slates")
    back = decide(GateState(), Evidence(NEWER, BAD, GOOD, request=request), POLICY, 0.0)
    assert back.action == "rollback"
    after = decide(back.next_state, Evidence(NEWER, GOOD, GOOD), POLICY, back.next_state.cool_until)
    assert after.reasons == ("sound",)
