"""The gate as a pure function: what it promotes, what it holds and why, and that its audit can be checked."""

from __future__ import annotations

from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from models import gate
from models.gate import Band, Evidence, GateState, Policy, Request, Version, audit, decide
from models.statistics.comparison import Comparison, Standing, Window
from models.statistics.confidence import Sums
from models.statistics.exposure import Exposed

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
            assert gate.wanted(GateState(mode=mode), Evidence(NEW, OLD, request=ask(verb)), POLICY, 0.0) is None
    assert gate.wanted(GateState(mode="manual"), Evidence(NEW, OLD, request=ask("promote")), POLICY, 0.0) == NEW


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
    assert gate.wanted(GateState(), Evidence(NEW, OLD), POLICY, 0.0) == NEW
    for state in (GateState(mode="manual"), GateState(mode="frozen"), GateState(cool_until=9.0)):
        assert gate.wanted(state, Evidence(NEW, OLD), POLICY, 0.0) is None
    assert gate.wanted(GateState(), Evidence(OLD, OLD), POLICY, 0.0) is None


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
    forged = msgspec.structs.replace(records[2], to_version="other")
    decided_otherwise = "revision 3: says other, decided again v3"

    def complaints(*entries: audit.AuditRecord) -> list[str]:
        return audit.complaints([msgspec.json.encode(entry) for entry in entries])

    assert [entry.revision for entry in records] == [1, 2, 3, 4, 5]
    assert complaints(*records) == []
    assert complaints(*records[2:]) == []
    assert complaints(*records[:2], *records[3:]) == ["revision 4: does not follow the record before it"]
    changed = complaints(*records[:2], forged, *records[3:])
    assert changed == ["revision 3: was changed after it was written", decided_otherwise]
    sealed_again = complaints(*records[:2], audit.sealed(forged), *records[3:])
    assert sealed_again == ["revision 4: does not follow the record before it", decided_otherwise]


def test_an_audit_record_says_who_why_and_from_what_to_what() -> None:
    evidence = Evidence(NEW, OLD, request=ask("promote"), numbers={"canary_queries": 8.0})
    state = GateState(mode="manual")
    entry = audit.record(state, decide(state, evidence, POLICY, 3.0), evidence, POLICY, 3.0, "replica")
    assert (entry.actor, entry.detail, entry.from_version, entry.to_version) == ("admin:1234", "because", "old", "new")
    assert (entry.action, entry.reasons, entry.numbers) == ("promote", ("requested", "sound"), {"canary_queries": 8.0})
    assert msgspec.json.decode(msgspec.json.encode(entry), type=audit.AuditRecord) == entry


def compared(
    against: str, n: int, total: float, variance: float, right: int = 0, wrong: int = 0, of: str = ""
) -> Comparison:
    """A comparison with these sums, of models that hit three times in ten."""
    sums = Sums(1.0, n, total, variance), Sums(0.5, n, total / 4, variance / 16)
    hits = 3 * n // 10
    return Comparison(against, of, *sums, hits=hits, other_hits=hits, right=right, wrong=wrong, others=50)


NEWEST = Version("newest", 3)
COMPARED = st.builds(
    compared,
    st.sampled_from(["old", "new"]),
    st.integers(0, 20_000),
    st.floats(-500, 500),
    st.floats(0, 2_000),
    st.integers(0, 60),
    st.integers(0, 60),
    st.sampled_from(["", "new"]),
)
STANDING = st.builds(
    Standing,
    reference=st.none() | COMPARED,
    champion=st.none() | COMPARED,
    probation=st.none() | COMPARED,
    learnt=st.none() | COMPARED,
    window=st.builds(
        Window,
        st.integers(0, 2_000),
        *[st.floats(0, 1)] * 4,
        fallen=st.sampled_from([False, False, False, True]),
        doubted=st.booleans(),
    ),
    lag=st.floats(0, 2_000),
    alarms=st.sampled_from([(), ("hit_rate",)]),
    applied=st.integers(0, 50_000),
    exposed=st.builds(Exposed, st.just(1_000), top=st.floats(0, 1), usual=st.floats(0, 0.5)),
)
MEASURED = {
    "overlap": st.floats(0, 1),
    "norm": st.floats(0.1, 10),
    "score_psi": st.floats(0, 2),
    "score_ks": st.floats(0, 1),
    "replay_known": st.sampled_from([0.0, 100.0, 300.0]),
    "replay_lost": st.integers(0, 60).map(float),
    "replay_gained": st.integers(0, 60).map(float),
}
JUDGED = st.builds(
    Evidence,
    candidate=st.sampled_from([None, OLD, NEW, NEWEST]),
    serving=st.sampled_from([None, OLD, NEW]),
    reference=st.sampled_from([None, OLD]),
    previous=st.sampled_from([None, OLD]),
    standing=st.none() | STANDING,
    faults=st.lists(st.sampled_from(FAULTS), max_size=1).map(tuple),
    numbers=st.fixed_dictionaries(MEASURED),
    request=st.sampled_from([None, None, None, ask("promote"), ask("promote", force=True), ask("rollback")]),
)
MEMORIES = st.builds(
    GateState,
    mode=st.sampled_from(gate.MODES),
    cool_until=st.sampled_from([0.0, 150.0]),
    promoted_at=st.sampled_from([-1_000.0, 90.0]),
    recovering=st.booleans(),
    proven=st.booleans(),
    baseline=st.booleans(),
    passes=st.integers(0, 3),
    norms=st.sampled_from([Band(), Band(50, 0.0, 0.01)]),
)


@given(MEMORIES, JUDGED)
def test_whatever_the_evidence_the_decision_is_one_of_the_words_and_serves_only_what_was_examined(
    state: GateState, evidence: Evidence
) -> None:
    decision = decide(state, evidence, POLICY, 100.0)
    assert set(decision.reasons) <= set(gate.REASONS)
    assert decision.moves == (decision.target is not None)
    assert not (decision.moves and evidence.faults)
    assert decision.reference is None or decision.action == "promote"
    if decision.action == "rollback":
        assert decision.target is not None
        assert evidence.serving is not None
        assert decision.target.seq < evidence.serving.seq
        assert decision.next_state.cool_until > 100.0
    if decision.moves:
        assert gate.wanted(state, evidence, POLICY, 100.0) == decision.target


BETTER = {"rollback": 0, "hold": 1, "promote": 2}


@given(MEMORIES, JUDGED.filter(lambda evidence: evidence.request is None), st.floats(0, 300))
def test_more_hits_in_the_same_events_never_make_the_decision_worse(
    state: GateState, evidence: Evidence, more: float
) -> None:
    """Monotone in evidence: sums that speak more for what is learned never lead from live to held, or to a rollback."""
    if evidence.standing is None:
        return
    raised = {name: lifted(getattr(evidence.standing, name), more) for name in ("reference", "champion", "probation")}
    better = msgspec.structs.replace(evidence, standing=msgspec.structs.replace(evidence.standing, **raised))
    before, after = decide(state, evidence, POLICY, 100.0), decide(state, better, POLICY, 100.0)
    assert BETTER[after.action] >= BETTER[before.action]


def lifted(comparison: Comparison | None, more: float) -> Comparison | None:
    if comparison is None:
        return None
    hit = msgspec.structs.replace(comparison.hit, total=comparison.hit.total + more)
    reciprocal = msgspec.structs.replace(comparison.reciprocal, total=comparison.reciprocal.total + more / 4)
    fewer = max(0, comparison.wrong - int(more))
    return msgspec.structs.replace(comparison, hit=hit, reciprocal=reciprocal, wrong=fewer)


@given(st.lists(st.tuples(JUDGED, st.floats(0, 400)), min_size=1, max_size=12), st.sampled_from(gate.MODES))
def test_replaying_the_audit_gives_the_same_decisions(steps: list[tuple[Evidence, float]], mode: gate.Mode) -> None:
    state, now, stored = GateState(mode=mode), 0.0, []
    for evidence, pause in steps:
        now += pause
        decision = decide(state, evidence, POLICY, now)
        entry = audit.record(state, decision, evidence, POLICY, now, "replica")
        stored.append(msgspec.json.encode(entry))
        state = msgspec.structs.replace(decision.next_state, audit_hash=entry.hash, audited_at=now)
    assert audit.complaints(stored) == []


def test_an_audit_that_was_tampered_with_is_complained_about_by_revision() -> None:
    stored = [msgspec.json.encode(entry) for entry in chain(4)]
    assert audit.complaints(stored) == []
    assert audit.complaints([*stored[:1], *stored[2:]]) == ["revision 3: does not follow the record before it"]
    forged = stored[2].replace(b'"to_version":"v3"', b'"to_version":"vx"')
    assert audit.complaints([*stored[:2], forged, stored[3]])[0] == "revision 3: was changed after it was written"
    lie = msgspec.json.decode(stored[3], type=audit.AuditRecord, strict=False)
    lie = audit.sealed(msgspec.structs.replace(lie, action="hold", reasons=("harm",)))
    assert "decided again promote" in audit.complaints([*stored[:3], msgspec.json.encode(lie)])[0]


def test_a_record_of_a_release_without_inputs_is_checked_by_hash_alone() -> None:
    fields = msgspec.to_builtins(chain(1)[0], str_keys=True)
    for name in ("state", "evidence", "policy", "reference"):
        del fields[name]
    fields["hash"] = audit.seal_of(fields)
    assert audit.complaints([msgspec.json.encode(fields)]) == []


def test_strict_counts_versions_and_not_looks() -> None:
    """Many looks at one version say no more than one: three versions in a row must be no worse."""
    state, decisions = GateState(mode="strict", promoted_at=-1_000.0), []
    for version in (NEW, NEW, NEWEST, NEWEST, Version("last", 4)):
        standing = Standing(champion=compared("old", 30_000, 0.0, 20.0))
        decision = decide(state, Evidence(version, OLD, OLD, standing=standing), POLICY, 0.0)
        decisions.append(decision.reasons[0])
        state = decision.next_state
    assert decisions == ["passing", "passing", "passing", "passing", "not_inferior"]


def test_evidence_about_another_version_is_ignored() -> None:
    harmful = compared("another", 4_000, -400.0, 200.0)
    stale = Evidence(NEWEST, NEW, OLD, standing=Standing(reference=harmful))
    assert decide(GateState(), stale, POLICY, 0.0).reasons == ("sound",)
    probation = compared("old", 4_000, -400.0, 200.0, of="another")
    strict = GateState(mode="strict")
    assert decide(strict, Evidence(NEW, NEW, OLD, standing=Standing(probation=probation)), POLICY, 0.0).action == "hold"


def test_strict_goes_back_when_what_is_served_is_worse_than_what_was() -> None:
    probation = compared("old", 4_000, -400.0, 200.0, of="new")
    evidence = Evidence(NEWEST, NEW, OLD, standing=Standing(probation=probation))
    decision = decide(GateState(mode="strict"), evidence, POLICY, 0.0)
    assert (decision.action, decision.reasons, decision.target) == ("rollback", ("harm",), OLD)
    assert decide(GateState(mode="manual"), evidence, POLICY, 0.0).reasons == ("manual",)


def test_what_cannot_be_served_is_not_gone_back_to_even_from_harm() -> None:
    evidence = Evidence(NEWEST, NEW, OLD, standing=Standing(reference=compared("old", 4_000, -400.0, 200.0)))
    broken = msgspec.structs.replace(evidence, faults=("unreadable",))
    assert decide(GateState(), broken, POLICY, 0.0).reasons == ("harm", "unreadable")


def test_a_day_without_a_rollback_forgives() -> None:
    state = GateState(rollbacks=4, rolled_back_at=0.0)
    later = decide(state, Evidence(OLD, NEW, request=ask("rollback")), POLICY, 90_000.0).next_state
    assert (later.rollbacks, later.cool_until) == (1, 90_300.0)


def test_every_reason_has_its_line_in_the_page_of_the_gate() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "gate.md").read_text(encoding="utf-8")
    for reason, text in gate.REASON_TEXTS.items():
        assert f"| `{reason}` | {text} |" in page


def crowd(top_user: float, users: int, **more: object) -> Evidence:
    """A full window of a stream whose busiest user made that share of the events."""
    window = Window(10_000, top_user=top_user, users=users, **more)  # type: ignore[arg-type]
    return Evidence(NEWEST, NEW, OLD, standing=Standing(window=window, applied=50_000))


def test_in_a_small_shop_each_user_makes_much_of_the_stream_and_in_a_large_one_none_may() -> None:
    assert decide(GateState(), crowd(0.3, 1_000), POLICY, 0.0).reasons == ("one_user",)
    assert decide(GateState(), crowd(0.3, 10), POLICY, 0.0).reasons == ("sound",)
    assert decide(GateState(), crowd(1.0, 1), POLICY, 0.0).reasons == ("sound",)


def test_what_learnt_garbage_waits_though_every_model_misses_it_alike_until_it_is_shown_to_be_better() -> None:
    """On labels that nobody finds the challenger is as good as the reference, which must neither move nor be left."""
    same, good = compared("old", 30_000, 0.0, 20.0), compared("old", 30_000, 3_000.0, 2_000.0)
    fallen = Window(10_000, users=500, hit=0.01, usual=0.4, fallen=True, doubted=True)
    doubted = Window(10_000, users=500, hit=0.3, usual=0.4, doubted=True)

    def found(window: Window, comparison: Comparison) -> tuple[str, ...]:
        evidence = Evidence(NEW, OLD, OLD, standing=Standing(reference=comparison, window=window))
        return decide(GateState(proven=True), evidence, POLICY, 0.0).reasons

    assert found(fallen, same) == found(fallen, good) == found(doubted, same) == ("few_hits",)
    assert found(doubted, good) == ("sound", "healthy")


def test_what_forgot_or_crowds_waits_until_the_evidence_speaks_for_it() -> None:
    forgot = {"replay_known": 200.0, "replay_lost": 40.0, "replay_gained": 4.0}
    crowding = Exposed(1_000, top=0.6, usual=0.2)

    def found(total: float, numbers: dict[str, float], exposed: Exposed = Exposed()) -> tuple[str, ...]:  # noqa: B008
        standing = Standing(reference=compared("old", 30_000, total, 2_000.0), exposed=exposed)
        evidence = Evidence(NEW, OLD, OLD, standing=standing, numbers=numbers)
        return decide(GateState(proven=True), evidence, POLICY, 0.0).reasons

    assert found(0.0, forgot) == ("forgetting",)
    assert found(0.0, {}, crowding) == ("concentrated",)
    assert found(3_000.0, forgot, crowding) == ("sound", "healthy")


def test_a_stream_that_is_always_odd_is_not_held_for_ever() -> None:
    """The challenger shown to be no worse outvotes shares that are a shop's own way; one user's flood it does not."""
    for share in ("bad", "duplicate", "unknown"):
        held = crowd(0.01, 1_000, **{share: 0.95})
        assert decide(GateState(), held, POLICY, 0.0).action == "hold"
        assert held.standing is not None
        good = msgspec.structs.replace(held.standing, reference=compared("old", 30_000, 100.0, 200.0))
        assert decide(GateState(), msgspec.structs.replace(held, standing=good), POLICY, 0.0).action == "promote"
    flood = crowd(0.6, 1_000)
    assert flood.standing is not None
    flattered = msgspec.structs.replace(flood.standing, reference=compared("old", 30_000, 100.0, 200.0))
    assert decide(GateState(), msgspec.structs.replace(flood, standing=flattered), POLICY, 0.0).reasons == ("one_user",)
