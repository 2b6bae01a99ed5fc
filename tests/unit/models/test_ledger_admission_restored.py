"""A restart forgets nothing that admission decides by: both generations of ids, and both of counts."""

from __future__ import annotations

import pytest

from models.ledger import admission
from models.ledger.admission import Admission, AdmissionRules
from models.records.events import Event

START = 1_569_888_000.0
GENERATION = 16


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows small enough that a short stream runs through them."""
    monkeypatch.setattr(admission, "RING", 64)
    monkeypatch.setattr(admission, "SLACK", 16)
    monkeypatch.setattr(admission, "CAP_GENERATION", GENERATION)


def restarted(subject: Admission) -> Admission:
    """What a learner makes of the window that a version carries."""
    return Admission(subject.rules, subject.window(subject.position))


def admit(subject: Admission, user: str, event_id: str | None = None, at: float = START) -> str:
    return subject.admit(Event(0, user, "i", at, event_id), at, False)


@pytest.mark.parametrize("accepted", range(1, 13))
def test_ids_of_both_generations_are_duplicates_after_a_restart(accepted: int) -> None:
    """Ids are let go of four at a time: the four before the present generation, and it, are remembered."""
    subject = Admission(AdmissionRules(dedupe_window=8))
    for number in range(accepted):
        assert not admit(subject, "u", f"e{number}")
    remembered = range(max(0, accepted // 4 - 1) * 4, accepted)
    for number in range(accepted):
        # One for each question: an id that is new is remembered from then on.
        assert admit(restarted(subject), "u", f"e{number}") == ("duplicate" if number in remembered else "")


@pytest.mark.parametrize("before", [0, GENERATION - 2, GENERATION - 1, GENERATION, 2 * GENERATION - 3])
def test_the_cap_of_a_minute_counts_what_was_accepted_before_a_restart(before: int) -> None:
    """`before`: events of others, so that the two of this user lie in one generation or on both sides of its end."""
    subject = Admission(AdmissionRules(dedupe_window=8, cap_per_minute=3))
    for number in range(before):
        assert not admit(subject, f"other-{number}")
    for _ in range(2):
        assert not admit(subject, "u")
    after = restarted(subject)
    assert [admit(after, "u") for _ in range(2)] == ["", "capped"]
    assert admit(after, "u", at=START + 60.0) == ""
