"""The gate as a pure function: what it promotes, what it holds and why, and that its audit can be checked."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from models import audit, gate
from models.gate import Evidence, GateState, Policy, Request, Version, decide

POLICY = Policy()
OLD, NEW = Version("old", 1), Version("new", 2)
FAULTS = ("unreadable", "wrong_schema", "wrong_dimensions", "not_finite", "canary_empty", "canary_unsorted")


def ask(verb: str, **more: object) -> Request:
    return Request(verb, "admin:1234", "because", **more)  # type: ignore[arg-type]


def test_a_sound_newer_version_is_promoted() -> None:
    decision = decide(GateState(), Evidence(NEW, OLD), POLICY, 100.0)
    assert (decision.action, decision.reasons) == ("promote", ("sound",))
    assert decision.next_state.promoted_at == 100.0


def test_the_first_version_goes_live_and_says_that_it_is_the_first() -> None:
    assert decide(GateState(), Evidence(NEW, None), POLICY, 0.0).reasons == ("first_version", "sound")


def test_every_fault_holds_whoever_asks() -> None:
    for fault in FAULTS:
        for request in (None, ask("promote")):
            decision = decide(GateState(), Evidence(NEW, OLD, faults=(fault,), request=request), POLICY, 0.0)
            assert (decision.action, decision.reasons) == ("hold", (fault,))


def test_a_request_about_the_mode_needs_no_candidate_in_any_mode() -> None:
    for mode in gate.MODES:
        for verb in gate.MODE_VERBS:
            assert not gate.needs_candidate(GateState(mode=mode), Evidence(NEW, OLD, request=ask(verb)), 0.0)
    assert gate.needs_candidate(GateState(mode="manual"), Evidence(NEW, OLD, request=ask("promote")), 0.0)


def test_nothing_older_is_promoted_but_an_operator_may_go_back() -> None:
    assert decide(GateState(), Evidence(OLD, NEW), POLICY, 0.0).reasons == ("not_newer",)
    assert decide(GateState(), Evidence(OLD, NEW, request=ask("promote")), POLICY, 0.0).reasons == ("not_newer",)
    assert decide(GateState(), Evidence(OLD, NEW, request=ask("rollback")), POLICY, 0.0).action == "rollback"


def test_a_faulty_version_is_not_gone_back_to_either() -> None:
    evidence = Evidence(OLD, NEW, faults=("unreadable",), request=ask("rollback"))
    assert decide(GateState(), evidence, POLICY, 0.0).reasons == ("unreadable",)


def test_manual_waits_for_the_operator() -> None:
    state = GateState(mode="manual")
    assert decide(state, Evidence(NEW, OLD), POLICY, 0.0).reasons == ("manual",)
    assert decide(state, Evidence(NEW, OLD, request=ask("promote")), POLICY, 0.0).moves


def test_frozen_holds_everything_until_it_expires_or_is_thawed() -> None:
    frozen = decide(GateState(mode="manual"), Evidence(request=ask("freeze", until=50.0)), POLICY, 0.0).next_state
    assert frozen.mode == "frozen"
    for verb in ("promote", "rollback"):
        assert decide(frozen, Evidence(NEW, OLD, request=ask(verb)), POLICY, 1.0).reasons == ("frozen",)
    after = decide(frozen, Evidence(NEW, OLD), POLICY, 50.0)
    assert (after.reasons, after.next_state.mode) == (("freeze_expired", "manual"), "manual")
    assert decide(frozen, Evidence(request=ask("thaw")), POLICY, 1.0).next_state.mode == "manual"


def test_a_freeze_without_an_end_ends_after_the_policy_says() -> None:
    frozen = decide(GateState(), Evidence(request=ask("freeze")), Policy(freeze=10.0), 5.0).next_state
    assert frozen.frozen_until == 15.0


def test_freezing_twice_keeps_the_mode_to_come_back_to() -> None:
    once = decide(GateState(), Evidence(request=ask("freeze")), POLICY, 0.0).next_state
    twice = decide(once, Evidence(request=ask("freeze")), POLICY, 1.0).next_state
    assert decide(twice, Evidence(request=ask("thaw")), POLICY, 2.0).next_state.mode == "continuous"


def test_thawing_what_is_not_frozen_changes_no_mode() -> None:
    assert decide(GateState(mode="manual"), Evidence(request=ask("thaw")), POLICY, 0.0).next_state.mode == "manual"


def test_each_rollback_makes_the_pause_longer_up_to_the_limit() -> None:
    state, policy, pauses = GateState(), Policy(cooldown=10.0, cooldown_limit=35.0), []
    for _ in range(4):
        state = decide(state, Evidence(OLD, NEW, request=ask("rollback")), policy, 0.0).next_state
        pauses.append(state.cool_until)
    assert pauses == [10.0, 20.0, 35.0, 35.0]
    assert decide(state, Evidence(NEW, OLD), policy, 34.0).reasons == ("cooling_down",)
    assert decide(state, Evidence(NEW, OLD), policy, 35.0).action == "promote"


def test_only_what_would_be_promoted_has_to_be_loaded() -> None:
    assert gate.needs_candidate(GateState(), Evidence(NEW, OLD), 0.0)
    for state in (GateState(mode="manual"), GateState(mode="frozen"), GateState(cool_until=9.0)):
        assert not gate.needs_candidate(state, Evidence(NEW, OLD), 0.0)
    assert not gate.needs_candidate(GateState(), Evidence(OLD, OLD), 0.0)


def test_holds_that_repeat_are_sampled_and_idleness_is_not_recorded() -> None:
    evidence = Evidence(NEW, OLD)
    state = GateState(mode="manual")
    first = decide(state, evidence, POLICY, 0.0)
    assert gate.worth_recording(state, first, POLICY, 0.0)
    after = msgspec.structs.replace(first.next_state, audited_at=0.0)
    assert not gate.worth_recording(after, decide(after, evidence, POLICY, 59.0), POLICY, 59.0)
    assert gate.worth_recording(after, decide(after, evidence, POLICY, 60.0), POLICY, 60.0)
    idle = decide(GateState(), Evidence(OLD, OLD), POLICY, 0.0)
    assert not gate.worth_recording(GateState(), idle, POLICY, 0.0)


STATES = st.builds(
    GateState,
    mode=st.sampled_from(gate.MODES),
    frozen_until=st.none() | st.floats(0, 100),
    cool_until=st.floats(0, 100),
    rollbacks=st.integers(0, 2_000),
)
EVIDENCE = st.builds(
    Evidence,
    candidate=st.sampled_from([None, OLD, NEW]),
    serving=st.sampled_from([None, OLD, NEW]),
    faults=st.lists(st.sampled_from(FAULTS), max_size=2).map(tuple),
    request=st.sampled_from([
        None,
        ask("promote"),
        ask("rollback"),
        ask("freeze"),
        ask("thaw"),
        ask("mode", mode="manual"),
    ]),
)


@given(STATES, EVIDENCE, st.floats(0, 200))
def test_whatever_comes_the_answer_is_in_the_closed_sets_and_faults_never_move_anything(
    state: GateState, evidence: Evidence, now: float
) -> None:
    decision = decide(state, evidence, POLICY, now)
    assert decision.action in gate.ACTIONS
    assert decision.reasons
    assert set(decision.reasons) <= set(gate.REASONS)
    assert decision.next_state.revision == state.revision + 1
    if evidence.faults or evidence.candidate is None:
        assert not decision.moves
    assert decision == decide(state, evidence, POLICY, now)


@given(STATES, EVIDENCE, st.floats(0, 200))
def test_state_and_decision_survive_json(state: GateState, evidence: Evidence, now: float) -> None:
    decision = decide(state, evidence, POLICY, now)
    raw = msgspec.json.encode(decision.next_state)
    assert msgspec.json.decode(raw, type=GateState) == decision.next_state


def chain(length: int) -> list[audit.AuditRecord]:
    state, records = GateState(), []
    for turn in range(length):
        before, after = (
            Version(f"v{turn}", turn),
            Version(f"v{turn + 1}", turn + 1, offsets={"events": {0: turn, 11: 4}}),
        )
        evidence = Evidence(after, before, numbers={"items": float(turn)})
        decision = decide(state, evidence, POLICY, float(turn))
        entry = audit.record(state, decision, evidence, POLICY, float(turn), "replica")
        records.append(entry)
        state = msgspec.structs.replace(decision.next_state, audit_hash=entry.hash, audited_at=float(turn))
    return records


def test_the_audit_is_a_chain_that_shows_what_was_tampered_with() -> None:
    records = chain(5)
    assert audit.broken_link(records) is None
    assert audit.broken_link(records[2:]) is None
    assert audit.broken_link([*records[:2], *records[3:]]) == records[3]
    forged = [*records]
    forged[2] = msgspec.structs.replace(records[2], to_version="other")
    assert audit.broken_link(forged) == forged[2]
    assert audit.broken_link([*records[:2], audit.sealed(forged[2]), *records[3:]]) == records[3]


def test_an_audit_record_says_who_why_and_from_what_to_what() -> None:
    evidence = Evidence(NEW, OLD, request=ask("promote"), numbers={"canary_queries": 8.0})
    state = GateState(mode="manual")
    entry = audit.record(state, decide(state, evidence, POLICY, 3.0), evidence, POLICY, 3.0, "replica")
    assert (entry.actor, entry.detail, entry.from_version, entry.to_version) == ("admin:1234", "because", "old", "new")
    assert (entry.action, entry.reasons, entry.numbers) == ("promote", ("requested", "sound"), {"canary_queries": 8.0})
    assert msgspec.json.decode(msgspec.json.encode(entry), type=audit.AuditRecord) == entry
