"""Merging: several learners that share a stream end up with one model, whose counts are those of one learner."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.shard_costs import within
from models.merging import Part, Shard, from_arrays, merge, to_arrays
from models.merging.renumbering import Tables, renumbered
from models.recommender import Recommender, RecommenderOptions, new_state
from models.records.events import Event
from models.records.items import ItemFacts
from models.state import SCHEMA, Column, State, duplicate, rings
from service.local import purchases
from tests import naive

NOW = 1_700_000_000.0
FEW = RecommenderOptions(items=48, users=64, categories=6, brands=4, queries=16, test_every=5)
PER_USER = ("pushed", "events", "last")


class Shop:
    """A coordinator and its shards. Each user's events go to one shard."""

    def __init__(self, shards: int, options: RecommenderOptions = FEW) -> None:
        self.coordinator = Recommender(new_state(options), options)
        self.options = options
        self.split(shards)

    @property
    def state(self) -> State:
        return self.coordinator.state

    def split(self, shards: int) -> None:
        self.state.cut()
        self.shards = [Shard(duplicate(self.state), number, shards) for number in range(shards)]
        self.learners = [Recommender(shard.state, self.options, learners=shards) for shard in self.shards]

    def learn(self, events: Sequence[Event], facts: dict[str, ItemFacts] | None = None) -> list[Part]:
        """Let each shard learn its events, and take the parts."""
        for number, learner in enumerate(self.learners):
            own = [event for event in events if zlib.crc32(event.user_id.encode()) % len(self.shards) == number]
            learner.learn_events(own, [event.timestamp for event in own], facts or {})
        return [shard.take() for shard in self.shards]

    def merge(self, parts: Sequence[Part]) -> None:
        merge(self.state, parts)
        self.hand_back()

    def hand_back(self) -> None:
        self.coordinator.settle()
        changes = to_arrays(self.state.changed())
        self.state.cut()
        for shard in self.shards:
            shard.apply(from_arrays(changes))

    def round(self, events: Sequence[Event], facts: dict[str, ItemFacts] | None = None) -> None:
        self.merge(self.learn(events, facts))
        self.check()

    def check(self) -> None:
        """Every shard holds the coordinator's bytes, and all numbers are finite."""
        for shard in self.shards:
            assert differences(shard.state, self.state) == []
        assert self.state.full().not_finite() == []


MEMORIES = ("lag_memory", "forward_memory", "backward_memory")

OWN = {("clock", "applied"), ("progress", "random")}
"""What each shard has of its own: its place among the event numbers, and its random numbers."""


def differences(one: State, other: State) -> list[str]:
    """Names of the key spaces and columns in which two states differ, but for what is a shard's own."""
    found = [name for name, keys in one.keys.items() if keys.everything().ids != other.keys[name].everything().ids]
    found += [
        f"free rows of {name}"
        for name, keys in one.keys.items()
        if not np.array_equal(keys.everything().free, other.keys[name].everything().free)
    ]
    for name, data in one.tables.items():
        rows = one.keys[data.table.keys].capacity * data.table.width
        found += [
            f"{name}.{column}"
            for column, values in data.columns.items()
            if (name, column) not in OWN
            and not np.array_equal(values[:rows], other.tables[name].columns[column][:rows])
        ]
    return found


def of_ids(state: State, space: str, table: str, column: str) -> dict[str, object]:
    values = state.tables[table].columns[column]
    return {key: values[row].tolist() for key, row in state.keys[space].rows.items()}


def histories(state: State) -> dict[str, list[tuple[str | None, int, int]]]:
    """What each user did, oldest first, by the ids of items."""
    found, ids = {}, [*state.keys["item"].ids, None]
    for user, row in state.keys["user"].rows.items():
        items, times, kinds = (column[::-1].tolist() for column in rings.read(state, row))
        found[user] = [(ids[item], time, kind) for item, time, kind in zip(items, times, kinds, strict=True)]
    return found


@st.composite
def streams(draw: st.DrawFn, users: int = 12, items: int = 20) -> list[Event]:
    seed = draw(st.integers(0, 2**32 - 1))
    count = draw(st.integers(1, 120))
    random = np.random.default_rng(seed)
    kinds = random.choice([0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8], count)
    return [
        Event(
            int(kind),
            f"u{random.integers(users)}",
            f"i{int(items * random.random() ** 2)}",
            NOW + at,
            float(random.integers(1, 50)),
            query=f"q{random.integers(4)}" if random.random() < 0.2 else None,
        )
        for at, kind in enumerate(kinds)
    ]


FACTS = {f"i{number}": ItemFacts(category=f"c{number % 5}", brand=f"b{number % 3}", price=3.0) for number in range(60)}


def test_counts_of_shards_that_merge_are_those_of_one_learner_on_real_purchases() -> None:
    bought = purchases(800, NOW)
    events = [Event(3, e["user_id"], e["item_id"], e["timestamp"], e["price"]) for e in bought.events(0, len(bought))]
    facts = {item: ItemFacts(category=each.get("category"), brand=each["brand"]) for item, each in bought.facts.items()}
    options = RecommenderOptions(items=2_000, users=1_000, categories=400, brands=400, test_every=50)
    one = Recommender(new_state(options), options)
    shop = Shop(1, options)
    for learner in (one, shop.coordinator):
        learner.describe((item, facts[item]) for item in [*facts][::2])
    shop.split(4)
    for start in range(0, len(events), 200):
        part = events[start : start + 200]
        one.learn_events(part, [event.timestamp for event in part], facts)
        shop.round(part, facts)
    for column in ("events", "positives", "returns", "first", "last"):
        assert of_ids(shop.state, "item", "item_stats", column) == of_ids(one.state, "item", "item_stats", column)
    assert of_ids(shop.state, "item", "item_fresh", "listed") == of_ids(one.state, "item", "item_fresh", "listed")
    for column in ("taken", "waiting"):
        table = "category_fresh"
        assert of_ids(shop.state, "category", table, column) == of_ids(one.state, "category", table, column)
    assert of_ids(shop.state, "category", "category_stats", "events") == of_ids(
        one.state, "category", "category_stats", "events"
    )
    for column in PER_USER:
        assert of_ids(shop.state, "user", "user", column) == of_ids(one.state, "user", "user", column)
    assert histories(shop.state) == histories(one.state)
    assert shop.coordinator.counters()["applied"] == one.counters()["applied"] == len(events)
    totals = [float(each.tables["item_totals"].columns["forward"].sum()) for each in (shop.state, one.state)]
    assert totals[0] == pytest.approx(totals[1], rel=1e-4)


def test_on_real_purchases_kernels_merge_to_the_bit_what_the_rules_in_plain_python_say() -> None:
    bought = purchases(600, NOW)
    events = [Event(3, e["user_id"], e["item_id"], e["timestamp"], e["price"]) for e in bought.events(0, len(bought))]
    facts = {item: ItemFacts(category=each.get("category"), brand=each["brand"]) for item, each in bought.facts.items()}
    shop = Shop(4, RecommenderOptions(items=2_000, users=1_000, categories=400, brands=400, test_every=50))
    for start in range(0, len(events), 300):
        parts, before = shop.learn(events[start : start + 300], facts), duplicate(shop.state)
        merge(shop.state, parts)
        assert compared(before, renumbered(before, parts), shop.state) > 200
        shop.hand_back()


def compared(base: State, parts: Sequence[Tables], merged: State) -> int:
    """Compare each number whose rule a kernel carries out with what plain Python makes of it; how many there were."""
    count = 0
    for name, data in base.tables.items():
        touched: dict[int, list[tuple[Mapping[str, np.ndarray], int]]] = {}
        for part in parts:
            for at, row in enumerate(part[name].rows.tolist()):
                touched.setdefault(row, []).append((part[name].columns, at))
        several = {row: own for row, own in touched.items() if len(own) > 1}
        for column in data.table.columns:
            rule = column.merge.rule
            if column.shape or rule not in {"sum", "adagrad", "counted"} or (name, column.name) in OWN:
                continue
            held, found = data.columns[column.name], merged.tables[name].columns[column.name]
            for row, own in several.items():
                values, before = [part[column.name][at].item() for part, at in own], held[row].item()
                if rule == "sum":
                    expected = naive.merging.added(before, values)
                elif rule == "counted":
                    expected = naive.merging.counted(before, values, column.merge.number)[0]
                else:
                    totals = [part[column.merge.by][at].item() for part, at in own]
                    steps, total = [*zip(values, totals, strict=True)], data.columns[column.merge.by][row].item()
                    expected = naive.merging.adagrad_in_order(before, total, steps, column.merge.number)
                assert found[row] == held.dtype.type(expected), f"{name}.{column.name} of row {row}"
                count += 1
    return count


@pytest.mark.parametrize("shard", [0, 2])
@settings(max_examples=6, deadline=None)
@given(stream=streams())
def test_merging_the_part_of_one_shard_is_the_identity(shard: int, stream: list[Event]) -> None:
    shop = Shop(3 if shard else 1)
    learner, own = shop.learners[shard], shop.shards[shard]
    for start in range(0, len(stream), 40):
        part = stream[start : start + 40]
        learner.learn_events(part, [event.timestamp for event in part], FACTS)
        before = duplicate(own.state)
        shop.merge([each.take() for each in shop.shards])
        shop.check()
        assert differences(before, shop.state) == []


@settings(max_examples=6, deadline=None)
@given(stream=streams(items=60))
def test_shards_agree_after_each_merge_and_their_order_does_not_matter(stream: list[Event]) -> None:
    shop = Shop(3)
    for start in range(0, len(stream), 40):
        parts = shop.learn(stream[start : start + 40], FACTS)
        other = duplicate(shop.state)
        merge(other, parts[::-1])
        merge(shop.state, parts)
        assert differences(other, shop.state) == []
        shop.hand_back()
        shop.check()
    events = of_ids(shop.state, "user", "user", "events")
    assert sum(int(str(count)) for count in events.values()) == len(stream)


def test_only_the_coordinator_evicts_and_the_shards_follow() -> None:
    shop, seen = Shop(3), 0
    for turn in range(12):
        left = min(shard.left() for shard in shop.shards)
        assert left >= 1
        events = [Event(0, f"u{at % 30}", f"i{seen + at}", NOW + 60 * turn + at, None) for at in range(left)]
        seen += left
        shop.round(events)
        assert len(shop.state.keys["item"]) <= FEW.items
        assert all(shard.state.keys["item"].rows == shop.state.keys["item"].rows for shard in shop.shards)
    assert shop.coordinator.counters()["evicted_items"] > 0


def test_a_shard_that_learned_more_than_there_was_room_for_hands_in_nothing() -> None:
    shop = Shop(2)
    events = [Event(0, "ann", f"i{at}", NOW + at, None) for at in range(FEW.items + 9)]
    with pytest.raises(RuntimeError, match="an item was removed by a shard: learn no more events than `left` says"):
        shop.learn(events)


def test_an_untouched_item_that_two_shards_take_in_one_round_is_taken_once_and_gone_from_every_list() -> None:
    shop = Shop(1)
    shop.coordinator.describe((f"i{number}", FACTS[f"i{number}"]) for number in range(20))
    shop.split(2)
    users = {zlib.crc32(f"u{number}".encode()) % 2: f"u{number}" for number in range(9)}
    shop.round([Event(0, users[0], "i7", NOW, None), Event(0, users[1], "i7", NOW + 5, None)])
    columns, row = shop.state.tables["item_fresh"].columns, shop.state.keys["item"].rows["i7"]
    assert columns["listed"][row] == 0
    assert row not in columns["older"][:20]
    assert row not in columns["newer"][:20]
    category = shop.state.tables["category_fresh"].columns
    kind = shop.state.keys["category"].rows["c2"]
    assert (category["taken"][kind], category["waiting"][kind]) == (1, 3)
    assert shop.state.tables["item_stats"].columns["first"][row] == NOW
    assert shop.state.tables["item_stats"].columns["events"][row] == 2


def test_a_user_whose_partition_moved_keeps_all_of_the_history_in_the_order_of_its_times() -> None:
    shop = Shop(2)
    for learner, start in zip(shop.learners, (0, 1), strict=True):
        own = [Event(0, "ann", f"i{at}", NOW + at, None) for at in range(start, 10, 2)]
        learner.learn_events(own, [event.timestamp for event in own], {})
    parts = [shard.take() for shard in shop.shards]
    found = merge(duplicate(shop.state), parts)
    assert (found.moved_users, found.events) == (1, {0: 5, 1: 5})
    shop.merge(parts)
    shop.check()
    assert [item for item, _, _ in histories(shop.state)["ann"]] == [f"i{at}" for at in range(10)]
    assert of_ids(shop.state, "user", "user", "events") == {"ann": 10}


def test_the_number_of_shards_may_change_at_any_merge() -> None:
    shop, events = Shop(1), [Event(0, f"u{at % 9}", f"i{at % 13}", NOW + at, None) for at in range(120)]
    for start, shards in ((0, 1), (40, 4), (80, 2)):
        shop.split(shards)
        shop.round(events[start : start + 40])
    assert shop.coordinator.counters()["applied"] == 120
    assert sum(len(history) for history in histories(shop.state).values()) == 120


def test_a_merge_divided_by_ranges_of_items_is_the_whole_merge() -> None:
    shop = Shop(3)
    events = [Event(0, f"u{at % 9}", f"i{at * at % 31}", NOW + at, 4.0 + at % 5) for at in range(240)]
    shop.round(events[:120])
    parts, whole = shop.learn(events[120:]), duplicate(shop.state)
    merge(whole, parts)
    for start, stop in ((0, 10), (10, 25), (25, 48)):
        one = duplicate(shop.state)
        merge(one, within(parts, shop.state, start, stop, others=not start))
        for name in ("item_factors", "item_last", "item_stats", "item_totals", "item_signals", *MEMORIES):
            rows = slice(start * SCHEMA.tables[name].width, stop * SCHEMA.tables[name].width)
            for column, values in whole.tables[name].columns.items():
                np.testing.assert_array_equal(one.tables[name].columns[column][rows], values[rows])


def test_a_part_from_another_state_is_refused_and_changes_nothing() -> None:
    shop, events = Shop(3), [Event(0, f"u{at}", f"i{at}", NOW + at, None) for at in range(8)]
    parts = shop.learn(events)
    merge(shop.state, parts)
    before = shop.state.digest()
    with pytest.raises(ValueError, match="did not start from this state: let it load the version"):
        merge(shop.state, parts)
    assert shop.state.digest() == before


def test_a_merge_of_what_is_the_coordinators_alone_leaves_the_event_numbers_in_step() -> None:
    shop, events = Shop(3), [Event(0, f"u{at}", f"i{at}", NOW + at, None) for at in range(9)]
    for turn in range(3):
        parts = [shard.take() for shard in shop.shards]
        shop.coordinator.describe([(f"new {turn}", FACTS["i3"])])
        shop.merge(parts)
        shop.check()
    shop.round(events)
    assert shop.coordinator.counters()["applied"] == 9


def test_no_shard_draws_the_random_numbers_of_another_shard_or_round() -> None:
    shop, seen = Shop(3), set()
    for turn in range(3):
        seen |= {int(shard.state.tables["progress"].columns["random"][0]) for shard in shop.shards}
        shop.round([Event(0, f"u{at}", f"i{at}", NOW + turn, None) for at in range(9)])
    assert len(seen) == 9


def test_tables_in_which_nothing_changed_do_not_travel() -> None:
    shop, other = Shop(2), Shop(2)
    events = [Event(0, f"u{at % 5}", f"i{at % 7}", NOW + at, None) for at in range(20)]
    parts, sent = shop.learn(events), []
    for part in other.learn(events):
        arrays = to_arrays(part.changes)
        assert "tables/query_stats/rows" not in arrays
        sent.append(Part(part.shard, part.shards, from_arrays(arrays)))
    shop.merge(parts)
    other.merge(sent)
    assert differences(shop.state, other.state) == []


def test_a_shard_takes_over_only_merges_that_it_took_part_in() -> None:
    shard = Shard(new_state(FEW), 0, 2)
    with pytest.raises(RuntimeError, match="no part was taken"):
        shard.apply(new_state(FEW).cut())
    shard.take()
    with pytest.raises(RuntimeError, match="a part was taken already"):
        shard.take()
    with pytest.raises(ValueError, match="shard 2 of 2: shards are numbered from 0"):
        Shard(new_state(FEW), 2, 2)


def test_every_column_says_how_it_is_merged() -> None:
    merge_ = next(field for field in fields(Column) if field.name == "merge")
    assert merge_.default is MISSING
    assert merge_.default_factory is MISSING
    for table in SCHEMA.tables.values():
        for column in table.columns:
            owner, _, name = column.merge.by.rpartition(".")
            assert not name or SCHEMA.tables[owner or table.name].column(name)
