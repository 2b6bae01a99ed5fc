"""What a quarantine holds and what its counts say, and one state made of what was learned there and of users here."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from models import dimensions as dim
from models.ledger.admission import Admission, AdmissionRules, id_hash
from models.ledger.progress import Piece, Progress, Quarantined
from models.ledger.quarantine import OrderRefused, drop, find, hold, lose_log, refuse, replayed
from models.recommender.recommender import Recommender, new_state
from models.recommender.types import RecommenderOptions
from models.records.events import Event
from models.state.copies import combined

SETTINGS = RecommenderOptions(items=1_000, users=1_000, test_every=1)


def version(end: int, learnt: int, *, quarantines: tuple[Quarantined, ...] = (), topic: str = "events") -> Progress:
    """Progress of a version that has read `end` events of partition 0 and has `learnt` of them in its state."""
    return Progress(
        cluster="c",
        topics={topic: "t", "items": "i"},
        offsets={topic: {0: end}, "items": {0: 7}},
        outcomes={"learnt": learnt},
        quarantines=list(quarantines),
    )


def ask(name: str, seq: int) -> Quarantined:
    return Quarantined(name, 1.0, f"v{seq}", "bad feed", "ops", seq=seq)


def conserved(progress: Progress) -> int:
    return sum(progress.outcomes.get(name, 0) for name in ("learnt", "quarantined", "dropped"))


def test_all_that_was_learnt_since_the_version_is_held_and_other_topics_are_not():
    now, then = version(90, 80), version(50, 45)
    held = hold(now, then, {"items", "control"}, ask("q", 5))
    assert held.pieces == (Piece("events", 0, 50, 90),)
    assert (held.events, now.outcomes) == (35, {"learnt": 45, "quarantined": 35})
    assert find(now, "q") == held
    assert now.offsets["events"][0] == 90  # offsets never move


def test_a_partition_that_came_since_is_held_from_its_beginning():
    now = version(90, 80)
    now.offsets["events"][1] = 10
    assert hold(now, version(50, 45), {"items"}, ask("q", 5)).pieces[1] == Piece("events", 1, 0, 10)


def test_a_second_quarantine_of_the_same_version_holds_what_the_first_does_not():
    now, then = version(90, 80), version(50, 45)
    hold(now, then, {"items"}, ask("one", 5))
    now.offsets["events"][0] = 120
    now.count("learnt", 20)
    second = hold(now, then, {"items"}, ask("two", 5))
    assert second.pieces == (Piece("events", 0, 90, 120),)
    assert now.outcomes == {"learnt": 45, "quarantined": 55}


def test_what_was_replayed_is_held_again_when_one_goes_back_to_before_the_replay():
    now, then = version(90, 80), version(50, 45)
    hold(now, then, {"items"}, ask("one", 5))
    replayed(now, find(now, "one"), 30)
    assert now.outcomes == {"learnt": 75, "quarantined": 0, "dropped": 5}
    now.offsets["events"][0] = 100
    now.count("learnt", 10)
    second = hold(now, then, {"items"}, ask("two", 5))
    assert (second.pieces, second.events) == ((Piece("events", 0, 90, 100),), 10)
    assert find(now, "one").events == 35
    assert now.outcomes == {"learnt": 45, "quarantined": 45, "dropped": 0}


def test_what_was_replayed_before_the_version_stays_learnt():
    now, then = version(90, 80), version(50, 45)
    hold(now, then, {"items"}, ask("one", 5))
    replayed(now, find(now, "one"), 35)
    since = now.copy()
    now.offsets["events"][0] = 100
    now.count("learnt", 10)
    second = hold(now, since, {"items"}, ask("two", 9))
    assert (second.pieces, second.events) == ((Piece("events", 0, 90, 100),), 10)
    assert now.quarantines[0].state == "replayed"
    assert conserved(now) == 90


def test_a_version_that_learnt_what_is_held_is_no_way_back():
    now, then = version(90, 80), version(50, 45)
    hold(now, then, {"items"}, ask("one", 5))
    before = now.copy()
    with pytest.raises(OrderRefused, match="go back to v5 or further, or to a version since"):
        hold(now, version(70, 60), {"items"}, ask("two", 7))
    assert now == before


def test_a_version_of_another_log_is_no_way_back():
    now = version(90, 80)
    other = version(50, 45)
    other.topics["events"] = "made anew"
    with pytest.raises(OrderRefused, match="another log"):
        hold(now, other, {"items"}, ask("one", 5))


def test_what_is_given_up_or_replayed_is_so_once():
    now = version(90, 80)
    hold(now, version(50, 45), {"items"}, ask("one", 5))
    drop(now, find(now, "one"))
    assert now.outcomes == {"learnt": 45, "quarantined": 0, "dropped": 35}
    with pytest.raises(OrderRefused, match="is dropped, not held"):
        find(now, "one")
    with pytest.raises(OrderRefused, match="no quarantine other"):
        find(now, "other")


def test_a_log_that_was_replaced_takes_what_is_held_with_it():
    now = version(90, 80)
    hold(now, version(50, 45), {"items"}, ask("one", 5))
    lose_log(now)
    assert now.quarantines[0].detail == "the log was replaced"
    assert conserved(now) == 80


def test_the_list_is_bounded_and_never_lets_go_of_what_is_held():
    now = version(90, 80)
    hold(now, version(50, 45), {"items"}, ask("one", 5))
    for number in range(200):
        refuse(now, ask(f"r{number}", 1), "no such version")
    assert len(now.quarantines) == 64
    assert now.quarantines[0].id == "one"
    assert msgspec.json.decode(msgspec.json.encode(now), type=Progress) == now


def test_the_dedupe_window_knows_which_events_were_accepted_between_two_positions():
    admission = Admission(AdmissionRules(dedupe_window=8))
    for number in range(20):
        admission.admit(Event(0, "u", "i", 5.0, event_id=f"e{number}" if number % 2 else None), 5.0, False)
    assert admission.accepted(4, 8) == {id_hash("e5"), id_hash("e7")}
    assert Admission(AdmissionRules(), admission.window(20)).accepted(4, 8) == {id_hash("e5"), id_hash("e7")}
    assert Admission(AdmissionRules(), admission.since(10, 20)).accepted(4, 8) is None


def events(users: int, items: list[str], start: float) -> list[Event]:
    return [
        Event(0, f"u{user}", items[(user + turn) % len(items)], start + turn)
        for turn in range(8)
        for user in range(users)
    ]


def taught(*parts: list[Event]) -> Recommender:
    recommender = Recommender(new_state(SETTINGS, 7), SETTINGS)
    for part in parts:
        recommender.learn_events(part, [event.timestamp for event in part])
    return recommender


def test_what_was_learnt_is_that_of_one_state_and_users_are_those_of_the_other():
    good, bad = events(6, ["tea", "mug", "pot"], 1_000.0), events(9, ["spam", "tea"], 2_000.0)
    healthy, now = taught(good), taught(good, bad)
    now.remove("item", ["mug"])  # its row goes to whoever comes next
    now.learn_events(events(2, ["cup"], 3_000.0), [3_000.0] * 16)
    state = combined(healthy.state, now.state)
    item = state.keys["item"]
    for name in ("item_factors", "item_stats", "lag_memory"):
        for column, values in healthy.state.tables[name].columns.items():
            used = healthy.state.keys["item"].capacity * healthy.state.tables[name].table.width
            assert np.array_equal(state.tables[name].columns[column][:used], values[:used]), (name, column)
    assert state.keys["user"].rows == now.state.keys["user"].rows
    assert {"spam", "cup"} <= item.rows.keys()
    assert state.tables["item_stats"].columns["events"][item.rows["spam"]] == 0
    assert rings(state) == rings(now.state)
    again = Recommender(state, SETTINGS)
    again.learn_events(bad[:20], [event.timestamp for event in bad[:20]])  # it learns on
    assert state.tables["item_stats"].columns["events"][item.rows["spam"]] > 0


def test_without_users_there_are_none_and_the_rest_is_the_same():
    healthy = taught(events(6, ["tea", "mug", "pot"], 1_000.0))
    state = combined(healthy.state, None)
    assert not state.keys["user"].rows
    assert state.keys["item"].ids == healthy.state.keys["item"].ids
    assert combined(state, healthy.state).digest() == healthy.state.digest()


def rings(state) -> dict[str, list[str | None]]:
    """Item ids in each user's ring, place by place."""
    ids = [*state.keys["item"].ids, None]
    column = state.tables["user_ring"].columns["item"]
    rows = state.keys["user"].rows
    return {user: [ids[at] for at in column[row * dim.RING : (row + 1) * dim.RING]] for user, row in rows.items()}
