"""Excerpts: shards tell each other of some columns between two merges, and nothing counts twice or survives a loss."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.merging import Excerpts, Part, from_arrays, merge, to_arrays
from models.merging.excerpts import LISTED, often
from models.merging.model_vector import RULES
from models.records.events import Event
from models.state import MODEL, SCHEMA, State, duplicate
from tests import naive
from tests.unit.models.test_merging import FACTS, NOW, Shop, differences, of_ids, streams

OFTEN = {(name, column.name) for name, columns in often(SCHEMA).items() for column in columns}
RANKERS = {(name, column) for name, column in OFTEN if SCHEMA.tables[name].keys == MODEL}


class Talking(Shop):
    """Shards that tell each other of some columns after each piece of a round."""

    def tell(self, excerpts: Excerpts) -> None:
        told = to_arrays(excerpts.merge([shard.excerpt() for shard in self.shards[::-1]]))
        for shard in self.shards:
            shard.take_over(from_arrays(told))

    def pieces(self, events: Sequence[Event], pieces: int) -> tuple[list[Part], Excerpts]:
        """Learn a round piece by piece, and take the parts."""
        excerpts, size = Excerpts(self.state), max(1, -(-len(events) // pieces))
        for start in range(0, len(events), size):
            if start:
                self.tell(excerpts)
            for number, learner in enumerate(self.learners):
                own = [each for each in events[start : start + size] if self.owner(each) == number]
                learner.learn_events(own, [event.timestamp for event in own], FACTS)
        return [shard.take() for shard in self.shards], excerpts

    def owner(self, event: Event) -> int:
        return zlib.crc32(event.user_id.encode()) % len(self.shards)

    def talk(self, events: Sequence[Event], pieces: int) -> None:
        parts, excerpts = self.pieces(events, pieces)
        merge(self.state, parts, excerpts)
        self.hand_back()
        self.check()


def keys_of(state: State) -> dict[str, object]:
    return of_ids(state, "item", "item_stats", "key")


POSITIVE = [0, 1, 2, 3]


@settings(max_examples=8, deadline=None)
@given(stream=streams(items=30), pieces=st.integers(2, 5))
def test_a_round_with_excerpts_counts_what_a_round_without_them_counts(stream: list[Event], pieces: int) -> None:
    quiet, talking = Talking(3), Talking(3)
    for start in range(0, len(stream), 60):
        part = [event for event in stream[start : start + 60] if event.kind in POSITIVE]
        quiet.round(part, FACTS)
        talking.talk(part, pieces)
    for column in ("events", "positives", "returns", "first", "last"):
        assert of_ids(talking.state, "item", "item_stats", column) == of_ids(quiet.state, "item", "item_stats", column)
    assert of_ids(talking.state, "user", "user", "events") == of_ids(quiet.state, "user", "user", "events")
    assert talking.coordinator.counters()["applied"] == quiet.coordinator.counters()["applied"]
    told, expected = keys_of(talking.state), keys_of(quiet.state)
    assert told.keys() == expected.keys()
    for item, keys in told.items():
        np.testing.assert_allclose(keys, expected[item], rtol=1e-9, atol=1e-9)


@settings(max_examples=8, deadline=None)
@given(stream=streams(items=30), pieces=st.integers(2, 5))
def test_shards_agree_after_a_round_with_excerpts_and_their_order_does_not_matter(
    stream: list[Event], pieces: int
) -> None:
    shop = Talking(3)
    for start in range(0, len(stream), 60):
        parts, excerpts = shop.pieces(stream[start : start + 60], pieces)
        merge(shop.state, parts[::-1], excerpts)
        shop.hand_back()
        shop.check()
    events = of_ids(shop.state, "user", "user", "events")
    assert sum(int(str(count)) for count in events.values()) == len(stream)


@settings(max_examples=6, deadline=None)
@given(stream=streams(), pieces=st.integers(2, 4))
def test_the_round_of_one_shard_alone_is_the_identity_with_excerpts_too(stream: list[Event], pieces: int) -> None:
    shop = Talking(1)
    parts, excerpts = shop.pieces(stream, pieces)
    before = duplicate(shop.shards[0].state)
    merge(shop.state, parts, excerpts)
    shop.hand_back()
    shop.check()
    assert differences(before, shop.state) == []


def round_of(count: int, start: int = 0) -> list[Event]:
    return [Event(at % 4, f"u{at % 9}", f"i{at * at % 17}", NOW + at, 3.0) for at in range(start, start + count)]


def test_after_an_excerpt_every_shard_knows_the_popularity_and_the_rankers_of_all() -> None:
    shop = Talking(3)
    shop.round(round_of(60), FACTS)
    excerpts = Excerpts(shop.state)
    for number, learner in enumerate(shop.learners):
        own = [each for each in round_of(60, 60) if shop.owner(each) == number]
        learner.learn_events(own, [event.timestamp for event in own], FACTS)
    before = {name: duplicate(shop.state).tables[name[0]].columns[name[1]] for name in OFTEN}
    shop.tell(excerpts)
    changed = set()
    for name, column in OFTEN:
        rows = shop.state.keys[SCHEMA.tables[name].keys].capacity * SCHEMA.tables[name].width
        first, *others = (shard.state.tables[name].columns[column][:rows] for shard in shop.shards)
        for other in others:
            np.testing.assert_array_equal(first, other)
        np.testing.assert_array_equal(shop.state.tables[name].columns[column], before[name, column])
        if not np.array_equal(first, before[name, column][:rows]):
            changed.add(name)
    assert {"item_stats", "ranker", "curvature", "moments", "clock"} <= changed
    tops = [shard.state.tables["top_items"].columns["item"] for shard in shop.shards]
    assert all(set(each.tolist()) == set(tops[0].tolist()) for each in tops)


def test_a_shard_that_is_lost_after_its_excerpt_leaves_nothing_behind() -> None:
    """What is merged is what the other shards would have learned of popularity alone, and no ranker has trained."""
    shop, without = Talking(3), Talking(3)
    for each in (shop, without):
        each.round(round_of(90), FACTS)
    base = duplicate(shop.state)
    events = round_of(90, 90)
    parts, excerpts = shop.pieces(events, 3)
    merge(shop.state, parts[:2], excerpts)
    shop.hand_back()
    for shard in shop.shards[:2]:
        assert differences(shard.state, shop.state) == []
    for name, column in RANKERS:
        np.testing.assert_array_equal(shop.state.tables[name].columns[column], base.tables[name].columns[column])
    merge(without.state, without.learn([each for each in events if shop.owner(each) < 2], FACTS)[:2])
    for column in ("events", "positives", "first"):
        assert of_ids(shop.state, "item", "item_stats", column) == of_ids(without.state, "item", "item_stats", column)
    expected = keys_of(without.state)
    for item, keys in keys_of(shop.state).items():
        np.testing.assert_allclose(keys, expected[item], rtol=1e-9, atol=1e-9)


def test_a_shard_that_learned_nothing_is_rid_of_what_a_lost_shard_told_it() -> None:
    shop = Talking(2)
    shop.round(round_of(90), FACTS)
    before = shop.state.digest()
    parts, excerpts = shop.pieces([each for each in round_of(90, 90) if shop.owner(each) == 1], 3)
    assert shop.shards[0].state.digest() != before
    merge(shop.state, [part for part in parts if part.shard == 0], excerpts)
    shop.hand_back()
    assert shop.state.digest() == before
    assert differences(shop.shards[0].state, shop.state) == []


def listed_of(state: State) -> dict[str, object]:
    return of_ids(state, "item", "item_fresh", "listed")


def untouched() -> Talking:
    """A shop of two shards whose 20 items nobody has touched."""
    shop = Talking(1)
    shop.coordinator.describe((f"i{number}", FACTS[f"i{number}"]) for number in range(20))
    shop.split(2)
    return shop


def test_an_item_that_one_shard_touched_is_untouched_for_none() -> None:
    shop = untouched()
    learner, event = shop.learners[0], Event(0, "ann", "i7", NOW, None)
    excerpts = Excerpts(shop.state)
    learner.learn_events([event], [event.timestamp], FACTS)
    shop.tell(excerpts)
    for shard in shop.shards:
        assert [item for item, listed in listed_of(shard.state).items() if not listed] == ["i7"]
        kind = shard.state.keys["category"].rows["c2"]
        counts = shard.state.tables["category_fresh"].columns
        assert (counts["taken"][kind], counts["waiting"][kind]) == (1, 3)
    assert all(listed_of(shop.state).values())
    assert not len(shop.shards[0].excerpt().changes.tables["item_fresh"].rows)
    merge(shop.state, [shard.take() for shard in shop.shards], excerpts)
    shop.hand_back()
    shop.check()
    assert [item for item, listed in listed_of(shop.state).items() if not listed] == ["i7"]
    counts, kind = shop.state.tables["category_fresh"].columns, shop.state.keys["category"].rows["c2"]
    assert (counts["taken"][kind], counts["waiting"][kind]) == (1, 3)


def test_an_item_that_only_a_lost_shard_touched_is_untouched_again() -> None:
    shop = untouched()
    excerpts = Excerpts(shop.state)
    for shard, items in ((0, ("i7", "i8")), (1, ("i3",))):
        events = [Event(0, f"u{shard}", item, NOW, None) for item in items]
        shop.learners[shard].learn_events(events, [NOW] * len(events), FACTS)
    shop.tell(excerpts)
    event = Event(0, "u1", "i8", NOW + 1, None)  # the shard that stays touches one of them as well
    shop.learners[1].learn_events([event], [event.timestamp], FACTS)
    merge(shop.state, [shop.shards[1].take()], excerpts)
    shop.shards[0].take()
    shop.hand_back()
    assert [item for item, listed in listed_of(shop.state).items() if not listed] == ["i3", "i8"]
    assert differences(shop.shards[1].state, shop.state) == []


def test_new_ids_are_in_no_excerpt() -> None:
    shop = Talking(2)
    shop.round(round_of(20), FACTS)
    known = shop.state.keys["item"].capacity
    events = [Event(0, f"u{at % 9}", f"i{30 + at % 15}", NOW + at, 3.0) for at in range(40)]
    shop.learners[0].learn_events(events, [event.timestamp for event in events], FACTS)
    rows = shop.shards[0].excerpt().changes.tables["item_stats"].rows
    assert (rows < known).all()


def test_an_excerpt_has_what_changed_since_the_one_before() -> None:
    shop = Talking(2)
    shop.round(round_of(60), FACTS)
    excerpts = Excerpts(shop.state)
    learner, shard = shop.learners[0], shop.shards[0]
    for item in ("i1", "i4"):
        learner.learn_events([Event(0, "ann", item, NOW + 99, None)], [NOW + 99], FACTS)
        assert shard.excerpt().changes.tables["item_stats"].rows.tolist() == [shop.state.keys["item"].rows[item]]
        shop.tell(excerpts)


def test_nothing_is_told_between_a_part_and_the_merge() -> None:
    shop = Talking(2)
    shop.shards[0].take()
    with pytest.raises(RuntimeError, match="a part was taken already"):
        shop.shards[0].excerpt()


@given(
    own=st.floats(-3.0, 5.0),
    steps=st.lists(st.tuples(st.floats(-3.0, 5.0), st.floats(-3.0, 5.0)), min_size=1, max_size=5),
)
def test_what_a_shard_did_itself_is_what_it_would_have_done_alone(own: float, steps: list[tuple[float, float]]) -> None:
    from models.merging.own_changes import OwnChanges

    kept, row = OwnChanges(np.zeros(1)), np.array([4], np.int32)
    value = own
    for mine, others in steps:
        value = float(np.logaddexp(value, mine))
        merged = float(np.logaddexp(value, others))
        kept.take_over(row, np.array([value]), np.array([merged]))
        value = merged
    expected = naive.merging.decayed(own, [float(np.logaddexp(own, mine)) for mine, _ in steps])
    assert kept.without_others(row, np.array([value]))[0] == pytest.approx(expected, abs=1e-6)


def test_every_column_that_is_told_often_can_be() -> None:
    """The conditions that `models.merging.excerpts` states: rules, and columns that go together."""
    for table in SCHEMA.tables.values():
        for column in table.columns:
            rule, by = column.merge.rule, column.merge.by
            owner, _, name = by.rpartition(".")
            goes_by = (owner or table.name, name) if by else None
            told = (table.name, column.name) in OFTEN
            if goes_by is not None:
                assert told == (goes_by in OFTEN), f"{table.name}.{column.name} goes by {goes_by}"
            if told and table.keys == MODEL:
                assert rule in {*RULES, "newton"}, f"{table.name}.{column.name}: {rule}"
            elif told and rule == "decayed":
                assert table.width == 1, table.name
            elif told:
                assert (table.name, column.name) == (LISTED, "listed")
