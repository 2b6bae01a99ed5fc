"""Explanations of decisions: every reason has one, with its numbers, and what it says would help does help."""

from __future__ import annotations

import math
import re
from typing import NamedTuple

import msgspec
import numpy as np
import pytest

from models.gate import (
    REASONS,
    Anchor,
    AuditRecord,
    Band,
    Evidence,
    Explanation,
    GateState,
    Policy,
    Request,
    Version,
    audit,
    decide,
    explain,
)
from models.gate.comparisons import as_good, better
from models.gate.reasons import EXPLAINED
from models.gate.reasons.faults import FAULTS
from models.gate.reasons.projection import events_until, present
from models.statistics import Anchored, Comparison, Exposed, Standing, Window
from models.statistics.confidence import Sums

POLICY = Policy()
REFERENCE, CHAMPION, NEW = Version("1-a", 1), Version("2-b", 2), Version("3-c", 3)
STRICT = GateState(mode="strict", promoted_at=-120.0)


class Taken(NamedTuple):
    """What a decision is taken on."""

    evidence: Evidence
    state: GateState = GateState()
    at: float = 0.0


def compared(total: float, of: Version = REFERENCE, n: int = 4_000, **more: object) -> Comparison:
    return Comparison(of.id, hit=Sums(1.0, n, total, 200.0), reciprocal=Sums(0.5, n), **more)  # type: ignore[arg-type]


def judged(standing: Standing | None = None, **more: object) -> Evidence:
    return Evidence(NEW, CHAMPION, REFERENCE, standing=standing, **more)  # type: ignore[arg-type]


def stream(**shares: object) -> Evidence:
    return judged(Standing(window=Window(1_000, **shares), applied=50_000))  # type: ignore[arg-type]


def numbers(**measured: float) -> Evidence:
    return judged(Standing(applied=50_000), numbers=measured)


def asked(verb: str, **more: object) -> Evidence:
    request = Request(verb, "admin:1234", "sale day")  # type: ignore[arg-type]
    return msgspec.structs.replace(judged(request=request), **more)


LOST = Anchored(REFERENCE.id, 40_000, -1_000, 4_000, 0.0, 400.0, 12_000)
ALARMED = Window(1_000, usual=0.4, lately=0.3)
NO_WORSE = Comparison(CHAMPION.id, hit=Sums(1.0, 30_000, 0.0, 20.0), reciprocal=Sums(0.5, 30_000))

CASES = {
    "sound": Taken(judged()),
    "first_version": Taken(Evidence(NEW)),
    "requested": Taken(asked("rollback", candidate=None)),
    "forced": Taken(judged(request=Request("promote", "admin:1234", "I know", force=True))),
    "no_candidate": Taken(Evidence(None, CHAMPION)),
    "not_newer": Taken(Evidence(CHAMPION, CHAMPION)),
    "not_older": Taken(Evidence(None, CHAMPION, request=Request("rollback", "admin:1234", "odd slates"))),
    "no_reference": Taken(Evidence(None, request=Request("rollback", "admin:1234", "odd slates"))),
    **{fault: Taken(judged(faults=(fault,), detail="chunk 3 is missing")) for fault in FAULTS},
    "norms": Taken(numbers(norm=30.0), GateState(norms=Band(n=100, mean=math.log(3.0), square=math.log(3.0) ** 2))),
    "lists_changed": Taken(numbers(overlap=0.1)),
    "scores_shifted": Taken(numbers(score_psi=3.4, score_ks=0.8)),
    "forgetting": Taken(numbers(replay_known=200, replay_lost=40, replay_gained=5)),
    "concentrated": Taken(judged(Standing(exposed=Exposed(1_000, top=0.5, usual=0.2)))),
    "lag": Taken(judged(Standing(lag=1_000.0))),
    "bad_records": Taken(stream(bad=0.4)),
    "duplicates": Taken(stream(duplicate=0.6)),
    "unknown_items": Taken(stream(unknown=0.95)),
    "one_user": Taken(stream(top_user=0.3, users=99)),
    "few_hits": Taken(stream(hit=0.01, usual=0.4, fallen=True, doubted=True)),
    "shift": Taken(judged(Standing(compared(0.0, n=41), window=ALARMED, alarms=("hit_rate",)))),
    "harm": Taken(judged(Standing(champion=compared(-400.0, CHAMPION))), GateState(recovering=True)),
    "crash": Taken(judged(Standing(champion=Comparison(CHAMPION.id, wrong=30, others=50))), GateState(recovering=True)),
    "behind_anchor": Taken(
        Evidence(NEW, REFERENCE, REFERENCE, standing=Standing(anchors=(LOST,)), anchors=(REFERENCE,)),
        GateState(anchors=(Anchor(REFERENCE.id, REFERENCE.seq),)),
    ),
    "reference_lost": Taken(judged(lost=(REFERENCE.id,))),
    "lift_lost": Taken(
        judged(Standing(compared(200.0), learnt=compared(0.0, Version("cosine", 0))), anchors=(REFERENCE,)),
        GateState(anchors=(Anchor(REFERENCE.id, REFERENCE.seq, lift=0.5),)),
    ),
    "warmup": Taken(judged(Standing(champion=compared(0.0, CHAMPION, n=400))), STRICT),
    "inconclusive": Taken(judged(Standing(champion=compared(-60.0, CHAMPION))), STRICT),
    "passing": Taken(judged(Standing(champion=NO_WORSE)), STRICT),
    "dwelling": Taken(judged(Standing(champion=compared(-5.0, CHAMPION))), GateState(mode="strict"), 1.0),
    "superior": Taken(judged(Standing(champion=compared(400.0, CHAMPION))), STRICT),
    "not_inferior": Taken(
        judged(Standing(champion=NO_WORSE)), msgspec.structs.replace(STRICT, passes=2, passed=CHAMPION.id)
    ),
    "champion_old": Taken(judged(Standing(champion=compared(20.0, CHAMPION))), GateState(mode="strict"), 601.0),
    "recovering": Taken(judged(Standing(champion=compared(-20.0, CHAMPION))), GateState(recovering=True)),
    "recovered": Taken(judged(Standing(champion=compared(400.0, CHAMPION))), GateState(recovering=True)),
    "unproven": Taken(Evidence(msgspec.structs.replace(NEW, rebuilt="r1"), CHAMPION, REFERENCE)),
    "proven": Taken(
        Evidence(
            msgspec.structs.replace(NEW, rebuilt="r1"),
            CHAMPION,
            REFERENCE,
            standing=Standing(champion=compared(400.0, CHAMPION)),
        )
    ),
    "healthy": Taken(judged(Standing(compared(200.0)))),
    "bootstrap": Taken(judged(Standing(learnt=compared(0.0, Version("cosine", 0))))),
    "beats_baseline": Taken(judged(Standing(learnt=compared(300.0, Version("cosine", 0))))),
    "below_baseline": Taken(judged(Standing(learnt=compared(-300.0, Version("cosine", 0)))), GateState(proven=True)),
    "shadow": Taken(judged(), GateState(mode="shadow")),
    "manual": Taken(judged(), GateState(mode="manual")),
    "frozen": Taken(judged(), GateState(mode="frozen", frozen_until=600.0, mode_actor="ops", mode_reason="sale day")),
    "cooling_down": Taken(judged(), GateState(cool_until=300.0, recovering=True, rollbacks=2)),
    "mode_changed": Taken(asked("thaw")),
    "freeze_expired": Taken(judged(), GateState(mode="frozen", frozen_until=0.0), 1.0),
}
"""A decision of each reason."""

NO_REMEDY = {"not_older", "no_reference"}
"""Holds that are about an operator's own request."""


def recorded(taken: Taken) -> AuditRecord:
    decision = decide(taken.state, taken.evidence, POLICY, taken.at)
    return audit.record(taken.state, decision, taken.evidence, POLICY, taken.at, "a service")


def explained(reason: str, **rates: float) -> Explanation:
    return explain(recorded(CASES[reason]), rates or {"reference": 50.0, "champion": 50.0})


def test_every_reason_of_the_vocabulary_has_an_explanation_and_a_case_here() -> None:
    assert EXPLAINED.keys() == set(REASONS)
    assert CASES.keys() == set(REASONS)


@pytest.mark.parametrize("reason", CASES)
def test_a_reason_is_explained_in_sentences_and_not_by_its_name(reason: str) -> None:
    found = explained(reason)
    assert reason in found.reasons
    texts = (*found.why, *(remedy.text for remedy in found.remedies))
    for text in texts:
        assert re.fullmatch(r"[A-Za-z0-9].*[.?]", text), text
        for name in (each for each in REASONS if "_" in each):
            assert name not in text
        assert not re.search(r"\b(nan|inf|None)\b", text), text
    assert bool(found.remedies) == (found.action == "hold" and reason not in NO_REMEDY)


@pytest.mark.parametrize("reason", CASES)
def test_what_an_operator_is_told_to_type_is_what_the_gate_would_carry_out(reason: str) -> None:
    taken = CASES[reason]
    for remedy in explained(reason).remedies:
        if remedy.command is None or "gate promote" not in remedy.command:
            continue
        request = Request("promote", "ops", "as told", force="--force" in remedy.command)
        asked_for = msgspec.structs.replace(taken.evidence, request=request)
        assert decide(taken.state, asked_for, POLICY, taken.at).action == "promote"


@pytest.mark.parametrize("reason", ["cooling_down", "dwelling", "frozen"])
def test_when_a_pause_is_over_it_no_longer_holds(reason: str) -> None:
    taken = CASES[reason]
    (pause,) = (remedy for remedy in explained(reason).remedies if remedy.kind == "time")
    assert pause.seconds is not None
    assert reason not in decide(taken.state, taken.evidence, POLICY, taken.at + pause.seconds).reasons
    assert reason in decide(taken.state, taken.evidence, POLICY, taken.at + pause.seconds - 0.5).reasons


def test_numbers_are_those_of_the_decision() -> None:
    assert explained("one_user").why[0].startswith("One user caused 30 % of the last 1,000 records; 20 % is the most.")
    assert "41 of 50 tested events were compared" in explained("shift").why[0]
    assert explained("shift").remedies[0].events == 9
    assert "(chunk 3 is missing)" in explained("unreadable").why[0]
    assert explained("forced").why[0] == "admin:1234 asked for it: I know."
    (interval,) = re.findall(r"between ([\d.]+) and ([\d.]+) points below", " ".join(explained("harm").why))
    assert float(interval[0]) > 10.0 > float(interval[1]) > 0.0


def test_an_anchor_is_told_by_the_one_that_the_candidate_is_furthest_behind() -> None:
    (told,) = [each for each in explained("behind_anchor").why if "anchor 1" in each]
    assert "over 40,000 tested events" in told
    measured = {"anchor1_n": 9_000.0, "anchor1_hit_low": -0.01, "anchor1_hit_high": 0.01}
    measured |= {"anchor2_n": 40_000.0, "anchor2_hit_low": -0.05, "anchor2_hit_high": -0.02}
    behind = msgspec.structs.replace(recorded(CASES["manual"]), reasons=("behind_anchor",), numbers=measured)
    held, back = explain(behind), explain(msgspec.structs.replace(behind, action="rollback"))
    told = "Its hit rate is between 5 and 2 points below that of anchor 2, compared over 40,000 tested events."
    assert held.why[1] == back.why[1] == told
    assert held.remedies[0].text.startswith("It has to be shown to be within the margin of every anchor.")
    assert back.why[0].endswith("so that one is served again.")
    assert back.remedies == ()
    stays = explain(msgspec.structs.replace(behind, action="promote", reasons=("sound", "lift_lost")))
    assert stays.why[0].startswith("It goes live and does not become the reference")


def test_what_holds_after_a_pause_is_said_as_well() -> None:
    pause, then, after = explained("cooling_down").why
    assert "the 2nd in a row" in pause
    assert then == "After that it would still wait."
    assert after.startswith("After a rollback a version has to be shown")
    sole = explain(recorded(Taken(judged(), GateState(cool_until=300.0))))
    assert len(sole.why) == 1


def test_a_comparison_with_another_version_than_the_champion_promises_nothing() -> None:
    stale = judged(Standing(champion=compared(0.0, REFERENCE)))
    waits = explain(recorded(Taken(stale, GateState(recovering=True))), {"champion": 50.0}).remedies[0]
    assert (waits.events, waits.seconds) == (None, None)
    assert "no tested event was compared with the champion yet" in waits.text


def test_a_rollback_is_told_as_one() -> None:
    back = explain(recorded(Taken(judged(Standing(compared(-400.0))))))
    assert (back.action, back.reasons, back.remedies) == ("rollback", ("harm",), ())
    assert back.why[0].startswith("Users were shown to get worse pages than the reference would give them")


def test_a_shift_tells_its_three_causes_apart() -> None:
    worse = compared(-30.0, n=400, hit_squares=40)
    alarmed = Standing(worse, window=ALARMED, alarms=("hit_rate",))
    garbage = msgspec.structs.replace(alarmed, window=Window(1_000, usual=0.4, lately=0.1))
    told = [explain(recorded(Taken(judged(standing)))).why[0] for standing in (alarmed, garbage)]
    assert "found 30 fewer than the reference, more than chance allows" in told[0]
    assert "10 % of the last 100 tested events were found, less than 50 % of the usual 40 %" in told[1]


def test_without_a_rate_no_time_is_named_and_without_events_none_are_promised() -> None:
    unknown, idle = explained("warmup", other=1.0).remedies[0], explained("warmup", champion=0.0).remedies[0]
    assert (unknown.events, unknown.seconds) == (1_600, None)
    assert "cannot be said yet" in unknown.text
    assert (idle.events, idle.seconds) == (1_600, None)
    assert "until shoppers do something again" in idle.text
    never = explain(recorded(Taken(judged(), GateState(recovering=True)))).remedies[0]
    assert (never.events, never.seconds) == (None, None)
    paused = judged(Standing(champion=compared(0.0, CHAMPION, n=400), paused="the champion is being loaded"))
    said = explain(recorded(Taken(paused, STRICT)), {"champion": 5.0}).remedies[0].text
    assert "Nothing is compared at present: the champion is being loaded." in said


def test_a_record_without_inputs_is_told_by_the_meaning_of_its_reasons() -> None:
    old = msgspec.structs.replace(recorded(CASES["harm"]), state=None, evidence=None, policy=None)
    found = explain(msgspec.structs.replace(old, reasons=("harm", "of_a_later_release")))
    assert found.why == ("Shown to be worse than the version it is compared with.", "Of a later release.")
    assert found.remedies == ()


# -- projections ------------------------------------------------------------------------------------------------------


def outcomes(comparison: Comparison, hits: float, others: float, n: int, seed: int) -> None:
    """Adds tested events: the models find an item independently of each other."""
    random = np.random.default_rng(seed)
    for own, other in zip(random.random(n) < hits, random.random(n) < others, strict=True):
        comparison.add(int(own), int(other))


def shown_after(comparison: Comparison, hits: float, others: float, shown: str) -> int:
    """Further events until the real comparison shows it."""
    further = 0
    found = as_good if shown == "as_good" else better
    while not found(comparison, POLICY):
        outcomes(comparison, hits, others, 250, seed=1_000 + further)
        further += 250
    return further


@pytest.mark.parametrize(("hits", "others", "shown"), [(0.4, 0.4, "as_good"), (0.45, 0.4, "better")])
def test_a_projection_is_about_right(hits: float, others: float, shown: str) -> None:
    ratios = []
    for seed in range(5):
        comparison = Comparison("a")
        outcomes(comparison, hits, others, 2_000, seed)
        said = events_until(comparison, shown, POLICY)  # type: ignore[arg-type]
        if said:
            ratios.append(shown_after(comparison, hits, others, shown) / said)
    assert len(ratios) >= 4
    assert 1 / 3 < float(np.median(ratios)) < 3


def test_a_model_that_was_worse_and_healed_is_projected_from_the_present() -> None:
    healed = Comparison("a")
    outcomes(healed, 0.3, 0.4, 8_000, seed=1)
    never = events_until(healed, "as_good", POLICY)
    outcomes(healed, 0.4, 0.4, 6_000, seed=2)
    soon = events_until(healed, "as_good", POLICY)
    assert never is None
    assert present(healed).n < 7_000
    assert soon is not None
    assert shown_after(healed, 0.4, 0.4, "as_good") < 4 * max(soon, 2_000)


def test_a_model_that_is_worse_is_told_what_it_takes_once_it_has_recovered() -> None:
    worse = Comparison(CHAMPION.id)
    outcomes(worse, 0.3, 0.4, 4_000, seed=1)
    found = explain(recorded(Taken(judged(Standing(champion=worse)), GateState(recovering=True))), {"champion": 50.0})
    assert found.reasons == ("recovering", "harm")
    healing = found.remedies[0]
    assert "waiting alone will not do. Once the model has recovered, about" in healing.text
    assert healing.events is not None
    assert healing.seconds == pytest.approx(healing.events / 50.0, abs=0.1)
