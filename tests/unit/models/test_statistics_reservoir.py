"""Old events put to versions again: which are kept, what is asked of whom, and what the learner hands on."""

from __future__ import annotations

from models.ledger.erasures import user_hash
from models.recommender.recommender import Recommender, new_state
from models.referee.referee import ASKED, Referee
from models.statistics.reservoir import LENGTH, SLICE, PastQuestion, Reservoir
from service.gate.recall import finder
from tests.unit.models.test_referee import SETTINGS, Clock, stream, times


def question(number: int, user: int = 1) -> PastQuestion:
    return PastQuestion(["a", "b", "c"], [1.0, 2.0, 3.0], [0, 0, 0], float(number), f"i{number}", user)


def test_ages_reach_back_to_the_first_and_are_spread_evenly_in_their_logarithm() -> None:
    kept = Reservoir(size=40)
    for number in range(10_000):
        kept.add(question(number))
    ages = [9_999 - int(each.now) for each in kept.questions]
    assert ages[0] == 9_999
    assert ages[-1] == 0
    assert [sum(low <= age < 10 * low for age in ages) >= 7 for low in (1, 10, 100, 1_000)] == [True] * 4


def test_questions_of_several_partitions_come_in_any_order_of_time() -> None:
    kept = Reservoir(size=8)
    for number in range(200):
        kept.add(question(number + (5 if number % 2 else -5)))
    times = [each.now for each in kept.questions]
    assert times == sorted(times)
    assert len(times) == 8


def test_each_version_is_asked_a_slice_and_a_new_reference_is_asked_all_anew() -> None:
    kept, asked = Reservoir(), []
    for number in range(3 * SLICE):
        kept.add(question(number))

    def knows(each: PastQuestion) -> bool:
        asked.append(each)
        return True

    for turn in (1, 2, 3, 3):
        assert kept.ask("v1", knows, lambda each: each.now >= SLICE).asked == turn * SLICE
    assert len(asked) == 3 * SLICE
    found = kept.ask("v1", knows, lambda each: each.now >= SLICE)
    assert (found.known, found.lost, found.gained) == (3 * SLICE, SLICE, 0)
    assert kept.ask("v2", lambda _: False, lambda _: True) == (SLICE, 0, 0, SLICE)


def test_an_erased_user_is_asked_about_no_more() -> None:
    kept = Reservoir()
    for number in range(10):
        kept.add(question(number, user=number % 2))
    kept.erase({1})
    assert [each.user for each in kept.questions] == [0] * 5


def test_the_learner_hands_on_tested_events_as_they_were_asked_and_each_once() -> None:
    state = new_state(SETTINGS)
    recommender, referee, events = Recommender(state, SETTINGS), Referee(Clock()), stream(3, 900)
    handed: list[PastQuestion] = []
    for start in range(0, len(events), 50):
        part = events[start : start + 50]
        recommender.learn_events(part, times(part), watch=lambda *run: referee.watch(state, *run))
        if start % 100:
            handed += referee.asked()
    assert referee.asked() == []
    assert 10 < len(handed) <= ASKED * 9
    for each in handed:
        (asked,) = (at for at, event in enumerate(events) if event.timestamp == each.now)
        assert events[asked].item_id == each.item
        before = [event for event in events[:asked] if user_hash(event.user_id) == each.user]
        walked = [event.item_id for event in before if event.item_id is not None and event.kind in {0, 3, 7}]
        assert each.items[:1] == walked[-1:]
        assert len(each.items) <= LENGTH
    assert sum(map(finder(recommender, recommender._scratch), handed)) > len(handed) / 2
