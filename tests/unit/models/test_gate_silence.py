"""A shop that sends its past and then nothing: its newest version goes live, unless old events speak against it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest

from benchmarks import silence
from models.gate import GUARDS, Decision, Evidence, GateState, Policy, Version, decide, wanted
from models.statistics import Comparison, Standing, Window
from models.statistics.confidence import Sums
from tests.unit.models.test_gate_guards import BAND, BETTER, EQUAL, alarmed, compared

POLICY = Policy()
LASTS = 3_700
FOUND = {"replay_known": 100.0, "replay_lost": 3.0, "replay_gained": 2.0}
LOST = {"replay_known": 100.0, "replay_lost": 30.0, "replay_gained": 2.0}
FEW = {"replay_known": 9.0}


def alarm(*against: str) -> Standing:
    """What the learner says while hits have fallen; with what few events said against each of these versions."""
    few = [Comparison(version, hit=Sums(n=7)) for version in against]
    window = Window(1_000, usual=0.4, lately=0.3)
    return Standing(few[0] if few else None, window=window, alarms=("hit_rate",), applied=50_000)


def served_after(
    past: Sequence[Standing], old: dict[str, float], *, mode: str = "continuous", lasts: int = LASTS
) -> float | None:
    """Seconds without events until the last version of a past is served; None when it is not within `lasts`.

    Args:
        past: What the learner says of each version. One is cut a second; the gate sees all of them.
        old: What the service measures on the tables of the newest one, once it has loaded them.
        mode: Mode of the gate.
        lasts: Seconds to look, once a second.
    """
    versions = [Version(str(number), number) for number in range(1, len(past) + 1)]
    state, serving, reference = GateState(mode=mode), None, None  # type: ignore[arg-type]
    for second in range(lasts + len(past)):
        at = min(second, len(past) - 1)
        quiet = float(second - at)
        evidence = Evidence(versions[at], serving, reference, standing=past[at], quiet=quiet)
        now = 1.7e9 + second
        if wanted(state, evidence, POLICY, now) is not None:
            evidence = msgspec.structs.replace(evidence, numbers=old)
        decision = decide(state, evidence, POLICY, now)
        state = decision.next_state
        if decision.moves:
            serving = decision.target
        reference = decision.reference or reference
        if serving == versions[-1]:
            return quiet
    return None


SOUND = Standing(applied=50_000)


@pytest.mark.parametrize(
    ("past", "old", "seconds"),
    [
        # The service started after the past: it saw the version before the last one first.
        pytest.param([SOUND, alarm()], {}, 60.0, id="nothing was ever compared"),
        pytest.param([SOUND, alarm("1")], FOUND, 60.0, id="old events are found as before"),
        pytest.param([SOUND, alarm("1")], FEW, 3_600.0, id="few old events are known"),
        pytest.param([SOUND, alarm("1")], LOST, None, id="old events are found less"),
        pytest.param([SOUND, alarm()], LOST, None, id="old events are found less, and nothing was compared"),
        pytest.param([SOUND, SOUND], {}, 0.0, id="no alarm"),
    ],
)
def test_the_newest_version_of_a_past_goes_live_although_nothing_follows(
    past: Sequence[Standing], old: dict[str, float], seconds: float | None
) -> None:
    assert served_after(past, old) == seconds


def test_mode_strict_does_not_wait_for_further_versions_that_will_not_come() -> None:
    equal = Standing(champion=Comparison("1", hit=Sums(1.0, 30_000, 0.0, 20.0), reciprocal=Sums(0.5, 30_000)))
    seconds = served_after([SOUND, equal], {}, mode="strict")
    assert seconds == 60.0


@pytest.mark.parametrize("reason", list(dict.fromkeys(guard.reason for guard in GUARDS)))
def test_every_alarm_ends_in_a_silence_and_none_before_it(reason: str) -> None:
    evidence, state = alarmed(reason), GateState(proven=True, norms=BAND, former="before")

    def action(quiet: float, **old: float) -> str:
        silence = msgspec.structs.replace(evidence, quiet=quiet, numbers={**evidence.numbers, **old})
        return decide(state, silence, POLICY, 0.0).action

    assert action(1e6, **LOST) == "hold"
    if reason == "forgetting":  # the alarm itself is that old events speak against the version
        assert action(1e6) == "hold"
        return
    assert [action(seconds) for seconds in (59.0, 3_599.0, 3_600.0)] == ["hold", "hold", "promote"]
    assert [action(seconds, **FOUND) for seconds in (59.0, 60.0)] == ["hold", "promote"]


def test_a_version_that_no_learner_wrote_gains_nothing_by_waiting() -> None:
    by_hand = msgspec.structs.replace(alarmed("lists_changed"), standing=None, quiet=1e6)
    numbers = {"overlap": 0.02, "applied": 50_000.0}
    held = decide(GateState(), msgspec.structs.replace(by_hand, numbers=numbers), POLICY, 0.0)
    assert held.reasons == ("lists_changed",)
    assert wanted(GateState(), alarmed("lag"), POLICY, 0.0) is None


WORSE, AS_GOOD = compared(30_000, -3_000.0, 2_000.0), compared(30_000, 0.0)
COMPARED = (None, compared(49, 0.0), EQUAL, AS_GOOD, BETTER, WORSE)
MODES = ("continuous", "shadow", "strict", "manual", "frozen")


@pytest.mark.parametrize("reason", sorted({guard.reason for guard in GUARDS} - {"forgetting"}))
def test_a_silence_lets_through_what_would_go_live_without_the_alarm_and_shows_nothing(reason: str) -> None:
    """So every rate of error that holds for comparisons holds with old events too: they end alarms, and no more."""

    def said(decision: Decision) -> tuple[object, ...]:
        return decision.action, decision.reasons, decision.target, decision.reference

    for mode, recovering, found in itertools.product(MODES, (False, True), COMPARED):
        state = GateState(mode=mode, recovering=recovering, proven=True, norms=BAND, former="before")  # type: ignore[arg-type]

        def at(name: str, quiet: float) -> tuple[object, ...]:
            evidence = alarmed(name)
            standing = msgspec.structs.replace(evidence.known, reference=found, champion=found)  # noqa: B023
            numbers = evidence.numbers | FOUND
            held = msgspec.structs.replace(evidence, standing=standing, numbers=numbers, quiet=quiet)
            return said(decide(state, held, POLICY, 1_000.0))  # noqa: B023

        assert at(reason, 59.0) == at(reason, 0.0)
        calm = at("", 0.0)
        if calm[1] == ("passing",):  # where no event comes, no further version does
            calm = ("promote", ("not_inferior", "sound"), Version("new", 2), Version("old", 1))
        assert at(reason, 1e6) == calm, (mode, recovering, found)


def test_of_many_silences_none_lets_a_version_through_that_has_lost_a_third_of_its_hits() -> None:
    random = np.random.default_rng(5)
    live = {worse: sum(silence.goes_live(random, worse) for _ in range(150)) for worse in (0.0, 0.1)}
    assert live[0.0] >= 148
    assert live[0.1] == 0
