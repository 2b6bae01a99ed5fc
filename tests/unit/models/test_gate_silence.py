"""A shop that sends its past and then nothing: its newest version goes live, unless old events speak against it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from models.gate import GUARDS, Evidence, GateState, Policy, Version, decide, wanted
from models.statistics import Comparison, Standing, Window
from models.statistics.confidence import Sums
from tests.unit.models.test_gate_guards import BAND, alarmed

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
