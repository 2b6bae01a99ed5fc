"""The guards: what raises an alarm, which evidence outvotes it, and what a held version says that it waits for."""

from __future__ import annotations

import math

import msgspec
import pytest

from models import gate
from models.gate import Band, Evidence, GateState, Policy, Version, decide
from models.statistics.comparison import Comparison, Standing, Window
from models.statistics.confidence import Sums
from models.statistics.exposure import Exposed

POLICY = Policy()
OLD, NEW = Version("old", 1), Version("new", 2)
EXAMINED = ("overlap", "norm", "score_psi", "score_ks", "replay_known", "replay_lost", "replay_gained")
"""Numbers that the service measures on the candidate's tables."""


def test_every_guard_names_its_text_its_thresholds_and_its_numbers() -> None:
    window = Window(10_000, bad=0.1, top_user=0.1, users=9, hit=0.1, usual=0.1)
    standing = Standing(window=window, exposed=Exposed(1_000, top=0.1, usual=0.1))
    measured = gate.decide(GateState(), Evidence(NEW, OLD, standing=standing), POLICY, 0.0).numbers
    measured |= dict.fromkeys(EXAMINED, 0.0)
    assert len({guard.raised for guard in gate.GUARDS}) == len(gate.GUARDS)
    for guard in gate.GUARDS:
        assert guard.raised.__name__ == guard.reason or [each.reason for each in gate.GUARDS].count(guard.reason) == 2
        assert guard.text == gate.REASON_TEXTS[guard.reason]
        assert set(guard.thresholds) <= set(Policy.__struct_fields__), guard.reason
        assert set(guard.numbers) <= set(measured), guard.reason


def alarmed(name: str) -> Evidence:
    """Evidence under which the guards of that reason, and no others, raise an alarm about a grown model."""
    window = Window(10_000, users=500, hit=0.4, usual=0.4, lately=0.4)
    shares = {"bad_records": "bad", "duplicates": "duplicate", "unknown_items": "unknown", "one_user": "top_user"}
    if name in shares:
        window = msgspec.structs.replace(window, **{shares[name]: 0.95})
    if name == "few_hits":
        window = msgspec.structs.replace(window, doubted=True)
    standing = Standing(
        window=window,
        applied=50_000,
        lag=5_000.0 if name == "lag" else 0.0,
        alarms=("hit_rate",) if name == "shift" else (),
        exposed=Exposed(1_000, top=0.6, usual=0.2) if name == "concentrated" else Exposed(),
    )
    numbers = {
        "norms": {"norm": 90.0},
        "lists_changed": {"overlap": 0.1},
        "scores_shifted": {"score_psi": 1.39, "score_ks": 0.44},
        "forgetting": {"replay_known": 200.0, "replay_lost": 40.0, "replay_gained": 4.0},
    }.get(name, {})
    return Evidence(NEW, OLD, OLD, standing=standing, numbers=numbers)


def compared(n: int, total: float, variance: float = 100.0, against: str = "old") -> Comparison:
    """A comparison with these sums of differences of hits, of models that hit three times in ten."""
    sums, hits = (Sums(1.0, n, total, variance), Sums(0.5, n, total / 4, variance / 16)), 3 * n // 10
    squares = round(variance), variance / 16
    return Comparison(
        against, "", *sums, hits=hits, other_hits=hits, others=50, hit_squares=squares[0], reciprocal_squares=squares[1]
    )


EQUAL, BETTER = compared(500, 0.0), compared(30_000, 3_000.0, 2_000.0)
BAND = Band(100, math.log(3.0), math.log(3.0) ** 2)
OUTVOTES = {"nothing": (), "better": (BETTER,), "apparently no worse": (EQUAL, BETTER)}


@pytest.mark.parametrize("name", list(dict.fromkeys(guard.reason for guard in gate.GUARDS)))
def test_a_guard_yields_to_the_evidence_that_its_table_names_and_to_no_less(name: str) -> None:
    evidence = alarmed(name)
    yields_to = [guard.yields_to for guard in gate.GUARDS if guard.reason == name][-1]
    state = GateState(proven=True, norms=BAND)
    worse, short = compared(500, -60.0), compared(49, 0.0)
    for found in (None, short, worse, compared(500, 0.0, against="another"), EQUAL, BETTER):
        standing = msgspec.structs.replace(evidence.known, reference=found)
        decision = decide(state, msgspec.structs.replace(evidence, standing=standing), POLICY, 0.0)
        assert decision.action == ("promote" if found in OUTVOTES[yields_to] else "hold"), (name, found)
        assert decision.action == "promote" or decision.reasons == (name,)


def test_a_version_without_evidence_stays_held_for_how_it_looks() -> None:
    by_hand = msgspec.structs.replace(alarmed("lists_changed"), standing=None)
    numbers = {"overlap": 0.02, "applied": 50_000.0}
    held = decide(GateState(), msgspec.structs.replace(by_hand, numbers=numbers), POLICY, 0.0)
    assert held.reasons == ("lists_changed",)
    assert held.detail == "waits until 50 tested events are compared with the reference: 0 so far"


@pytest.mark.parametrize("n", [50, 75, 99, 100, 400])
def test_of_fewer_events_less_is_left_to_chance(n: int) -> None:
    """A quarter of the events tell two models apart: of a hundred the candidate may find three standard errors less."""
    variance, evidence = n / 4, alarmed("shift")
    allowed = 3.0 * min(1.0, n / 100) * math.sqrt(round(variance))

    def action(less: float) -> str:
        standing = msgspec.structs.replace(evidence.known, reference=compared(n, -less, variance))
        return decide(GateState(), msgspec.structs.replace(evidence, standing=standing), POLICY, 0.0).action

    assert (action(math.floor(allowed)), action(math.floor(allowed) + 1.0)) == ("promote", "hold")


def test_a_held_version_says_what_it_waits_for() -> None:
    def said(name: str, found: Comparison | None) -> str:
        evidence = alarmed(name)
        standing = msgspec.structs.replace(evidence.known, reference=found)
        return decide(GateState(), msgspec.structs.replace(evidence, standing=standing), POLICY, 0.0).detail

    few = said("shift", compared(41, 0.0))
    assert few == "waits until 50 tested events are compared with the reference: 41 so far"
    assert said("shift", compared(500, -60.0)) == (
        "waits until at most 30 hits fewer than the reference's are found among the last 500 compared events: 60 fewer"
    )
    assert said("forgetting", EQUAL) == "waits until the candidate is shown to be better than the reference"
    assert said("one_user", BETTER) == "waits until the alarm is over: no comparison outvotes it"
