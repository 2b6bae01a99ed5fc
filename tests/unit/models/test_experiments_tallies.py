"""Slates and events are counted for the arm of their user, whatever their order; counts travel and come back."""

from __future__ import annotations

import random

import pytest

from models.experiments.assignment import Assignments
from models.experiments.definition import Arm, Experiment
from models.experiments.tallies import COUNTABLE, PLACES, Counts, Tally
from models.records import CART, CLICK, PURCHASE, SEARCH, Event, SlateRecord
from models.statistics import CannotUnpack, pack

EXPERIMENT = Experiment("e", "0f" * 8, (Arm("a", 0.5), Arm("b", 0.5)), start=10.0, end=90.0, largest_purchase=50.0)
EVERYBODY = Assignments([EXPERIMENT])
ARM = {user: arm for user in ("ann", "bob", "cy", "dee", "eve", "fay") for _, arm in EVERYBODY.of(user, 50.0)}
A = next(user for user, arm in ARM.items() if arm == 0)
B = next(user for user, arm in ARM.items() if arm == 1)


def slate(user: str | None, arm: str, at: float = 50.0, name: str = "e") -> SlateRecord:
    return SlateRecord("5f", at, ["tea"], user, experiments={name: arm})


def tally(counts: Counts) -> Tally:
    return counts.tallies[EXPERIMENT.id]


def test_each_event_counts_for_the_arm_of_its_user_by_kind_and_worth() -> None:
    counts = Counts()
    for event in (
        Event(CLICK, A, "tea", 50.0, request_id="5f"),
        Event(CART, A, "tea", 50.0, request_id="5f"),
        Event(PURCHASE, A, "tea", 50.0, price=8.0, quantity=2.0, request_id="5f"),
        Event(PURCHASE, A, "tea", 50.0, price=900.0, request_id="5f"),
        Event(PURCHASE, A, "mug", 50.0, price=5.0),
        Event(CLICK, B, "tea", 50.0, request_id="5f"),
        Event(SEARCH, B, None, 50.0, request_id="5f"),
    ):
        counts.event(event, EVERYBODY)
    ours, theirs = tally(counts).arms
    found = [ours.of(name).total for name in ("click", "cart", "purchase", "revenue", "spending")]
    assert found == [1, 1, 2, 66.0, 71.0], "the dear purchase counts as the largest"
    assert ours.revenue.squares == 16.0**2 + 50.0**2
    assert [theirs.of(name).total for name in ("click", "cart", "purchase", "spending")] == [1, 0, 0, 0]


def test_only_slates_and_events_of_its_time_count() -> None:
    counts = Counts()
    for at in (9.0, 10.0, 89.0, 90.0):
        counts.slate(slate(A, "a", at), EVERYBODY)
        counts.event(Event(CLICK, A, "tea", at, request_id="5f"), EVERYBODY)
    assert (tally(counts).arms[0].slates.total, tally(counts).arms[0].click.total) == (2, 2)


def test_a_slate_of_nobody_or_of_what_is_unknown_counts_nowhere() -> None:
    counts = Counts()
    for each in (slate(None, "a"), slate(A, "z"), slate(A, "a", name="other"), SlateRecord("5f", 50.0, ["tea"], A)):
        counts.slate(each, EVERYBODY)
    assert counts.tallies == {}


def test_the_order_does_not_matter() -> None:
    rng, found = random.Random(1), []
    done: list[SlateRecord | Event] = [slate(user, "ab"[arm]) for user, arm in ARM.items() for _ in range(5)]
    done += [Event(PURCHASE, user, "tea", 50.0, price=1.25, request_id="5f") for user in ARM for _ in range(5)]
    for _ in range(3):
        rng.shuffle(done)
        counts = Counts()
        for each in done:
            if isinstance(each, SlateRecord):
                counts.slate(each, EVERYBODY)
            else:
                counts.event(each, EVERYBODY)
        found.append(counts)
    assert found[0] == found[1] == found[2]


def test_users_are_counted_once_and_nearly_all_of_them() -> None:
    counted = Tally.empty(2)
    for turn in range(2):
        for number in range(20_000):
            counted.slate(f"user-{number}", number % 2)
        known = counted.known_users()
        assert known is not None
        assert abs(known / 20_000 - 1) < 0.01, turn
    assert counted.arms[0].slates.total == 20_000
    first, second = (arm.users.total for arm in counted.arms)
    assert abs(first - second) < 500


def test_too_many_users_are_not_told() -> None:
    counted = Tally.empty(1)
    counted.taken = PLACES
    assert counted.known_users() is None
    counted.taken = round(PLACES * (1 - 2.718281828 ** (-1.01 * COUNTABLE / PLACES)))
    assert counted.known_users() is None


def test_counts_come_back_as_they_were_and_damaged_ones_are_refused() -> None:
    counts = Counts({}, {0: 5}, {"events": {1: 7}}, {"events": "id"})
    counts.slate(slate(A, "a"), EVERYBODY)
    counts.event(Event(PURCHASE, B, "tea", 50.0, price=1.1), EVERYBODY)
    again = Counts.unpacked(counts.packed())
    assert again == counts
    again.slate(slate(A, "a"), EVERYBODY)
    assert tally(again).arms[0].slates.total == 2
    tally(again).arms[0].click.sums.pop()
    for text in ("", "x", None, pack([1]), again.packed()):
        with pytest.raises(CannotUnpack):
            Counts.unpacked(text)


def test_counts_of_what_is_deleted_are_forgotten_and_a_namesake_has_its_own() -> None:
    counts = Counts()
    counts.slate(slate(A, "a"), EVERYBODY)
    namesake = Experiment("e", "f0" * 8, EXPERIMENT.arms, start=10.0)
    counts.slate(slate(A, "a"), Assignments([namesake]))
    assert len(counts.tallies) == 2
    counts.keep([namesake])
    assert list(counts.tallies) == [namesake.id]
