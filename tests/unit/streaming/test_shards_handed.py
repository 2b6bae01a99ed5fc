"""With several merges in a version: shards are given each change once, and the version has all of them."""

from __future__ import annotations

import numpy as np
import pytest

from models.recommender import Recommender, new_state
from models.records.events import Event
from models.state import State, duplicate
from streaming.shards.handed import Handed

NOW = 1_700_000_000.0


def learn(state: State, start: int, count: int) -> None:
    events = [Event(0, f"u{at % 5}", f"i{at}", NOW + at, None) for at in range(start, start + count)]
    Recommender(state).learn_events(events, [event.timestamp for event in events])


@pytest.mark.parametrize("merges", [1, 2, 5])
def test_a_version_after_several_merges_has_what_each_of_them_changed(merges: int) -> None:
    state = new_state()
    state.forget_changes()
    version, shard, handed = duplicate(state), duplicate(state), Handed(state)
    for merge in range(merges):
        learn(state, merge * 40, 40)  # more items than before: tables grow meanwhile
        changes = state.changed()
        shard.apply(changes)
        assert shard.digest() == state.digest()
        handed.put_aside(changes)
        assert handed
        assert not any(len(part.rows) for part in state.changed().tables.values())
    handed.mark_again()
    assert not handed
    version.apply(state.cut())
    assert version.digest() == state.digest()


def test_an_item_that_was_removed_between_two_merges_is_in_the_version() -> None:
    state = new_state()
    learn(state, 0, 10)
    state.forget_changes()
    version, handed = duplicate(state), Handed(state)
    state.remove("item", ["i3"])
    handed.put_aside(state.changed())
    learn(state, 20, 3)
    handed.put_aside(state.changed())
    handed.mark_again()
    version.apply(state.cut())
    assert version.digest() == state.digest()
    assert "i3" not in version.keys["item"].rows


def test_marking_twice_marks_nothing_more() -> None:
    state = new_state()
    state.forget_changes()
    handed = Handed(state)
    learn(state, 0, 10)
    handed.put_aside(state.changed())
    handed.mark_again()
    marked = {name: data.marks.rows() for name, data in state.tables.items()}
    state.forget_changes()
    handed.mark_again()
    assert len(marked["item_stats"]) == 10
    assert not any(len(data.marks) for data in state.tables.values())
    np.testing.assert_array_equal(marked["item_stats"], np.arange(10))
