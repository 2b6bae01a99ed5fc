"""Admission against a slow obvious twin, and against itself restored from a version."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest

from models.ledger import admission
from models.ledger.admission import OUTCOMES, Admission, AdmissionRules, Arrivals
from models.ledger.erasures import user_hash
from models.records.events import IMPRESSION, PURCHASE, Event

START = 1_569_888_000.0


Sent = tuple[str, str | None, float, float, bool, bool, int]
"""User, event_id, seconds to the record's time, seconds since the record before, backfill, public, kind."""


class Twin:
    """Keeps every accepted event and looks through them all."""

    def __init__(self, rules: AdmissionRules, generation: int) -> None:
        self.rules, self.generation = rules, generation
        self.accepted: list[tuple[tuple[str | None, bool], tuple[str, bool, bool], float]] = []

    def admit(self, event: Event, record_time: float, backfill: bool, public: bool = False) -> str:
        half = self.rules.dedupe_window // 2
        remembered = self.accepted[self._start(half) :] if half else []
        sent = (event.event_id, public)
        if event.event_id is not None and sent in [each for each, _, _ in remembered]:
            return "duplicate"
        if event.timestamp > record_time + self.rules.max_future:
            return "future"
        now = event.timestamp if backfill else record_time
        if now - event.timestamp > self.rules.max_lateness:
            return "late"
        counted = (event.user_id, public, event.kind == IMPRESSION)
        mine = [time for _, each, time in self.accepted[self._start(self.generation) :] if each == counted]
        if sum(time // 60 == now // 60 for time in mine) >= self.rules.cap_per_minute:
            return "capped"
        self.accepted.append((sent, counted, now))
        return ""

    def _start(self, size: int) -> int:
        return max(0, (len(self.accepted) // size - 1) * size)


records = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.none() | st.sampled_from([f"e{number}" for number in range(12)]),
        st.sampled_from([-400.0, -299.0, -10.0, 0.0, 5.0, 61.0]),
        st.sampled_from([0.0, 1.0, 30.0, 70.0]),
        st.booleans(),
        st.booleans(),
        st.sampled_from([PURCHASE, IMPRESSION]),
    ),
    max_size=80,
)
rules_of = st.builds(
    AdmissionRules,
    dedupe_window=st.sampled_from([0, 4, 10, 40]),
    max_lateness=st.just(300.0),
    max_future=st.just(60.0),
    cap_per_minute=st.integers(1, 6),
)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows small enough that a short stream runs out of them."""
    monkeypatch.setattr(admission, "RING", 64)
    monkeypatch.setattr(admission, "SLACK", 16)
    monkeypatch.setattr(admission, "CAP_GENERATION", 16)


def play(subject: Admission | Twin, stream: list[Sent], clock: float = START) -> list[str]:
    outcomes = []
    for user, event_id, offset, passed, backfill, public, kind in stream:
        clock += passed
        outcomes.append(subject.admit(Event(kind, user, "i", clock + offset, event_id), clock, backfill, public))
    return outcomes


@given(rules_of, records)
@settings(max_examples=200)
def test_the_twin_decides_the_same(rules: AdmissionRules, stream: list[Sent]) -> None:
    outcomes = play(Admission(rules), stream)
    assert outcomes == play(Twin(rules, 16), stream)
    assert set(outcomes) <= {"", *OUTCOMES}


@given(rules_of, records, st.booleans(), st.lists(st.integers(1, 30), min_size=1, max_size=8))
@settings(max_examples=300)
def test_events_that_come_together_are_decided_as_one_after_the_other(
    rules: AdmissionRules, stream: list[Sent], backfill: bool, sizes: list[int]
) -> None:
    subject, twin = Admission(rules), Twin(rules, 16)
    events, times, clock = [], [], START
    for user, event_id, offset, passed, _, _, kind in stream:
        clock += passed
        events.append(Event(kind, user, "i", clock + offset, event_id))
        times.append(clock)
    found, start = [], 0
    for size in cycle(sizes):
        part = events[start : start + size]
        turned_away = subject.admit_all(part, times[start : start + size], backfill)
        found += [turned_away.get(at, "") for at in range(len(part))]
        start += size
        if start >= len(events):
            break
    assert found == [twin.admit(event, time, backfill) for event, time in zip(events, times, strict=True)]
    one_by_one = Admission(rules)
    for event, time in zip(events, times, strict=True):
        one_by_one.admit(event, time, backfill)
    assert_same(subject.window(subject.position), one_by_one.window(one_by_one.position))


def test_good_events_that_come_together_need_no_look_at_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise every stream would be admitted one by one, and nothing but the time would show it."""
    looked_at: list[str | None] = []
    one_by_one = Admission.admit

    def admit(self: Admission, event: Event, *more: Any) -> str:
        looked_at.append(event.event_id)
        return one_by_one(self, event, *more)

    monkeypatch.setattr(Admission, "admit", admit)
    monkeypatch.setattr(admission, "TOGETHER", 4)
    subject = Admission(AdmissionRules(dedupe_window=16))
    events = [Event(IMPRESSION if number % 2 else 0, "u", "i", START, f"e{number}") for number in range(12)]
    assert subject.admit_all([*events, Event(0, "u", "i", START)], [START] * 13) == {}
    assert not looked_at
    again = [Event(0, "u", "i", START, name) for name in ("a", "b", "e11", "c", "d")]
    assert subject.admit_all(again, [START] * 5) == {2: "duplicate"}
    assert looked_at == ["e11"]
    subject.erase(user_hash("u"), START + 1)
    assert subject.admit_all(events[:2], [START] * 2) == {0: "erased", 1: "erased"}


@pytest.mark.parametrize(
    ("bad", "outcome"),
    [
        (Event(0, "u", "i", START, "e0"), "duplicate"),
        (Event(0, "u", "i", START, "new 3"), "duplicate"),
        (Event(0, "u", "i", START - 1_000, "e"), "late"),
        (Event(0, "u", "i", START + 1_000, "e"), "future"),
        (Event(0, "gone", "i", START, "e"), "erased"),
        (Event(IMPRESSION, "gone", "i", START, "e"), "erased"),
        (Event(0, "busy", "i", START, "e"), "capped"),
    ],
)
def test_only_the_event_that_may_be_turned_away_is_looked_at(
    monkeypatch: pytest.MonkeyPatch, bad: Event, outcome: str
) -> None:
    subject = Admission(AdmissionRules(dedupe_window=64, max_lateness=300, max_future=60, cap_per_minute=8))
    for number in range(8):
        assert not subject.admit(Event(0, "busy", "i", START, f"e{number}"), START, False)
    subject.erase(user_hash("gone"), START + 1)
    looked_at: list[Event] = []
    one_by_one = Admission.admit

    def admit(self: Admission, event: Event, *more: Any) -> str:
        looked_at.append(event)
        return one_by_one(self, event, *more)

    monkeypatch.setattr(Admission, "admit", admit)
    events = [Event(number % 3, "u", "i", START, f"new {number}") for number in range(6)]
    assert subject.admit_all([*events[:4], bad, *events[4:]], [START] * 7) == {4: outcome}
    assert looked_at == [bad]
    assert subject.position == 14


@given(rules_of, records, records)
@settings(max_examples=200)
def test_one_restored_from_a_version_decides_the_same_from_there(
    rules: AdmissionRules,
    before: list[Sent],
    after: list[Sent],
) -> None:
    original = Admission(rules)
    play(original, before)
    restored = Admission(rules, original.window(original.position))
    later = START + 10_000
    assert play(restored, after, later) == play(original, after, later)
    assert restored.position == original.position


@given(records, records)
def test_a_window_can_be_read_while_later_events_are_admitted(before: list[Sent], after: list[Sent]) -> None:
    subject = Admission(AdmissionRules(dedupe_window=0))
    play(subject, before)
    position, then = subject.position, subject.window(subject.position)
    play(subject, after[:16])
    assert_same(subject.window(position), then)
    delta = subject.since(position, subject.position)
    whole = (np.concatenate(columns) for columns in zip(then[:3], delta[:3], strict=True))
    assert_same(Arrivals(*whole, delta.stop), subject.window(subject.position))


def assert_same(left: Arrivals, right: Arrivals) -> None:
    assert left.stop == right.stop
    for a, b in zip(left[:3], right[:3], strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_event_that_was_refused_does_not_count_as_seen() -> None:
    subject = Admission(AdmissionRules(dedupe_window=8, max_lateness=10))
    assert subject.admit(Event(0, "u", "i", START - 100, "e"), START, False) == "late"
    assert subject.admit(Event(0, "u", "i", START, "e"), START, False) == ""


def test_history_is_never_late_and_its_minutes_are_its_own() -> None:
    subject = Admission(AdmissionRules(dedupe_window=8, cap_per_minute=1))
    assert subject.admit(Event(0, "u", "i", START - 1e8), START, True) == ""
    assert subject.admit(Event(0, "u", "i", START - 1e8 + 60), START, True) == ""
    assert subject.admit(Event(0, "u", "i", START - 1e8 + 60), START, True) == "capped"
    assert subject.admit(Event(0, "u", "i", START + 1e6), START, True) == "future"


def test_what_a_public_key_sends_makes_no_event_of_the_shop_a_duplicate_and_the_other_way_round() -> None:
    subject = Admission(AdmissionRules(dedupe_window=8))
    purchase = Event(PURCHASE, "u", "i", START, "order-1001")
    assert subject.admit(purchase, START, False, public=True) == ""
    for admitting in (subject, Admission(subject.rules, subject.window(1))):
        assert admitting.admit(purchase, START, False) == ""
        assert [admitting.admit(purchase, START, False, public=public) for public in (True, False)] == ["duplicate"] * 2


@pytest.mark.parametrize(("kind", "public"), [(IMPRESSION, False), (PURCHASE, True), (IMPRESSION, True)])
def test_neither_impressions_nor_what_a_public_key_sends_use_up_the_cap_of_purchases(kind: int, public: bool) -> None:
    subject = Admission(AdmissionRules(dedupe_window=8, cap_per_minute=2))
    other = [subject.admit(Event(kind, "u", "i", START), START, False, public) for _ in range(5)]
    assert other == ["", "", "capped", "capped", "capped"]
    for admitting in (subject, Admission(subject.rules, subject.window(2))):
        assert admitting.admit(Event(kind, "u", "i", START), START, False, public) == "capped"
        bought = [admitting.admit(Event(PURCHASE, "u", "i", START), START, False) for _ in range(3)]
        assert bought == ["", "", "capped"]


def test_an_erasure_forgets_a_user_whoever_sent_the_events() -> None:
    subject = Admission(AdmissionRules(dedupe_window=8))
    for number, (kind, public) in enumerate([
        (PURCHASE, False),
        (PURCHASE, True),
        (IMPRESSION, False),
        (IMPRESSION, True),
    ]):
        assert not subject.admit(Event(kind, "u", "i", START, f"e{number}"), START, False, public)
        assert not subject.admit(Event(kind, "other", "i", START, f"f{number}"), START, False, public)
    assert subject.erase(user_hash("u"), START) == 4
    left = subject.window(8)
    assert np.count_nonzero(left.event_hash) == np.count_nonzero(left.user_hash) == 4


def test_hashes_of_the_shops_own_actions_are_those_of_earlier_releases() -> None:
    subject = Admission(AdmissionRules(dedupe_window=8))
    subject.admit(Event(PURCHASE, "u", "i", START, "e"), START, False)
    window = subject.window(1)
    assert window.event_hash.tolist() == [xxh3_64_intdigest(b"e")]
    assert window.user_hash.tolist() == [user_hash("u")]


def test_positions_that_are_overwritten_or_to_come_cannot_be_read() -> None:
    subject = Admission(AdmissionRules(dedupe_window=8, cap_per_minute=10**6))
    for number in range(100):
        subject.admit(Event(0, "u", "i", START + number), START + number, False)
    for stop in (101, 83):
        with pytest.raises(ValueError, match="cannot be read"):
            subject.window(stop)


def test_more_than_the_ring_cannot_be_remembered() -> None:
    with pytest.raises(ValueError, match="0 to 64 accepted events"):
        Admission(AdmissionRules(dedupe_window=65))


def test_whoever_asks_for_room_can_always_cut_a_version_and_whoever_does_not_cannot() -> None:
    for slack in (None, 40):
        subject = Admission(AdmissionRules(dedupe_window=8, cap_per_minute=1_000), slack=slack)
        admitted = 0
        while subject.room(0) > 0:
            assert not subject.admit(Event(0, "u", "i", START), START, False)
            admitted += 1
        assert admitted == (16 if slack is None else slack)
        assert subject.window(0).stop == 0
        subject.admit(Event(0, "u", "i", START), START, False)
        with pytest.raises(ValueError, match="position 0 cannot be read"):
            subject.window(0)
        assert subject.room(admitted) == admitted - 1
