"""When hits fall, further events of the same users tell garbage labels from people who began something new."""

from __future__ import annotations

import random

import pytest

from models.referee.hit_level import FALLEN, RECENT, HitLevel
from models.referee.second_look import GARBAGE, SecondLook

USUAL = 0.24
RUNS, EVENTS = 1_000, 200


def shown(rate: float, seed: int) -> int:
    """Further events, found at that rate, after which labels are sound; 0 when they never are."""
    draw, look = random.Random(seed), SecondLook()
    look.begin(100)
    for number in range(1, EVENTS + 1):
        look.tested(draw.random() < rate, USUAL, 110, 105)
        if look.sound:
            return number
    return 0


def test_garbage_is_called_sound_in_one_fall_of_a_thousand_and_sound_labels_soon() -> None:
    assert sum(shown(GARBAGE * USUAL, seed) > 0 for seed in range(RUNS)) <= 5
    took = sorted(shown(USUAL, seed) or EVENTS for seed in range(RUNS))
    assert took[RUNS // 2] < 60
    assert took[int(0.95 * RUNS)] < 150


def test_the_more_garbage_there_was_the_more_sound_events_it_takes() -> None:
    took = []
    for garbage in (0, 50, 200):
        look, needed = SecondLook(), 0
        look.begin(100)
        for _ in range(garbage):
            look.tested(False, USUAL, 110, 105)
        while not look.sound:
            look.tested(needed % 4 == 0, USUAL, 120, 115)
            needed += 1
        took.append(needed)
    assert took[0] + 30 < took[1] < took[2] - 60


class Shop:
    """Tested events of a shop in which users go on after their first event, ten a second."""

    def __init__(self, level: HitLevel, looks: bool = True) -> None:
        self.level, self.looks = level, looks
        self.draw, self.second, self.user = random.Random(3), 1_000, 0
        self.last: list[tuple[int, int]] = []

    def tested(self, *, going_on: float, first: float, further: float) -> None:
        """One event: of somebody who goes on, or of somebody new; found with the probability for each."""
        self.user += 1
        if self.user % 10 == 0:
            self.second += 1
        before = self.second - 1 if self.draw.random() < going_on else 0
        hit = self.draw.random() < (further if before else first)
        self.level.tested([hit], [self.user], [self.second], [before if self.looks else -1])

    def usual(self) -> None:
        """As many events as make a rate usual, one in six of somebody new."""
        for _ in range(3_000):
            self.tested(going_on=5 / 6, first=0.04, further=0.28)


def test_where_everybody_begins_anew_labels_are_sound_and_nothing_is_doubted() -> None:
    shop = Shop(HitLevel())
    shop.usual()
    low, doubted = 0, 0
    for _ in range(1_000):
        shop.tested(going_on=0.2, first=0.03, further=0.28)
        low += shop.level.recent < FALLEN * shop.level.usual
        doubted += shop.level.doubted
    assert shop.level.sound
    assert low == 0 or doubted < low / 2
    assert not shop.level.fallen
    assert not shop.level.doubted


def test_a_doubt_is_over_when_labels_are_shown_to_be_sound() -> None:
    """So few go on at first that hits are far below the usual before anything is shown."""
    shop = Shop(HitLevel())
    shop.usual()
    while not shop.level.fallen:
        shop.tested(going_on=0.02, first=0.0, further=0.28)
    waited = 0
    while shop.level.doubted:
        shop.tested(going_on=0.4, first=0.03, further=0.28)
        waited += 1
    assert shop.level.sound
    assert 0 < waited < 300
    assert shop.level.recent < 0.8 * shop.level.usual


@pytest.mark.parametrize("going_on", [0.2, 5 / 6])
def test_garbage_is_found_at_the_same_event_as_without_a_second_look(going_on: float) -> None:
    """Also where sound labels, of people who all began something new, come before it."""
    when = []
    for looks in (True, False):
        shop = Shop(HitLevel(), looks)
        shop.usual()
        number = 0
        while not shop.level.fallen:
            shop.tested(going_on=going_on, first=0.02, further=0.02)
            number += 1
        when.append(number)
        for _ in range(RECENT):
            shop.tested(going_on=going_on, first=0.02, further=0.02)
        assert shop.level.fallen
        assert shop.level.doubted
        assert not shop.level.sound
    assert when[0] == when[1]


def test_garbage_after_everybody_began_anew_is_found_as_well() -> None:
    shop = Shop(HitLevel())
    shop.usual()
    for _ in range(600):
        shop.tested(going_on=0.3, first=0.03, further=0.28)
    assert shop.level.sound
    for _ in range(RECENT):
        shop.tested(going_on=0.3, first=0.02, further=0.02)
    assert shop.level.fallen
    assert not shop.level.sound


def test_a_restart_goes_on_with_the_second_look() -> None:
    whole, first = HitLevel(), HitLevel()
    ones, others = Shop(whole), Shop(first)
    for number in range(3_600):
        if number % 500 == 250:
            again = HitLevel()
            again.take_up(others.level.memory())
            others.level = again
        fallen = number > 3_000
        for shop in (ones, others):
            shop.tested(going_on=0.2 if fallen else 5 / 6, first=0.03, further=0.28)
        assert (ones.level.sound, ones.level.doubted, ones.level.further) == (
            others.level.sound,
            others.level.doubted,
            others.level.further,
        )
    assert ones.level.further > 0


def test_hits_without_as_many_users_and_times_are_refused() -> None:
    for users, seconds in ((range(2), None), (range(3), [1, 2])):
        with pytest.raises(ValueError, match="shorter"):
            HitLevel().tested([1, 0, 1], users, seconds)
