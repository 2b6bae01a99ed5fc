"""What the benchmark of shards computes: rates from costs, and tables of many items from those of a few."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.replicas import copied, name_of
from benchmarks.shard_rates import Costs, divided, fitted, rate
from models.recommender import Recommender, RecommenderOptions, new_state
from models.records.events import Event
from models.state import SCHEMA, State

NOW = 1_700_000_000.0
FREE = Costs(step=20.0, take=0.0, fixed=0.0, merge=0.0, apply=0.0)


def test_shards_whose_merge_costs_nothing_are_as_many_times_as_fast() -> None:
    assert rate(FREE, 8, 16_000) == (pytest.approx(8 * 50_000.0), 0.0)


def test_no_number_of_shards_is_faster_than_the_coordinator() -> None:
    found = [rate(FREE._replace(merge=4.0), shards, 16_000) for shards in (8, 1_000_000)]
    assert found[0][0] < found[1][0] < 1e6 / 4.0
    assert found[1][1] == pytest.approx(1.0, abs=1e-4)


def test_a_merge_that_ranges_share_takes_what_the_slowest_of_them_takes() -> None:
    measured: dict[str, Any] = {
        "shards": 32,
        "events": 64_000,
        "by_ranges": {"1": {"slowest_us": 4.0}, "4": {"slowest_us": 1.25}},
    }
    found = divided(FREE._replace(fixed=9e9, merge=9e9), measured)
    seconds = {ranges: 64_000 * (20.0 / 32 + each["slowest_us"]) for ranges, each in measured["by_ranges"].items()}
    assert {name: each["events_per_s"] for name, each in found.items()} == {
        name: round(1e6 * 64_000 / each) for name, each in seconds.items()
    }
    assert found["4"]["coordinator_share"] == round(1.25 / (1.25 + 20.0 / 32), 2)


def test_costs_are_those_that_two_lengths_of_a_round_were_made_of() -> None:
    def measured(stream: str, every: int, fixed: float, merge: float) -> dict[str, object]:
        us = {"take": 1.0, "apply": 0.5}
        cost = {"coordinator_us": merge + fixed / every, "us_per_event": us, "merges": 2, "events": 2 * every}
        return cost | {"stream": stream, "bytes_up_per_event": 300, "bytes_down_per_event": 100}

    cheap = [measured("cheap", every, 10_000.0, 1.0) for every in (2_000, 16_000)]
    dear = [measured("dear", every, 20_000.0, 2.0) for every in (16_000, 2_000)]
    found = fitted([*cheap, *dear, measured("one length alone", 2_000, 90_000.0, 9.0)])
    assert found is not None
    assert (found.fixed, found.merge) == (pytest.approx(20_000.0), pytest.approx(2.0))
    assert found[1:2] + found[4:] == (1.0, 0.5, 300, 100)


def test_nothing_is_fitted_to_one_length_of_a_round() -> None:
    assert fitted([]) is None


def test_a_copy_of_an_item_has_the_copies_of_its_neighbours() -> None:
    options = RecommenderOptions(items=8, users=8, categories=4, brands=4)
    learner = Recommender(new_state(options), options)
    events = [Event(0, f"u{at % 3}", f"i{at % 5}", NOW + at, None) for at in range(60)]
    learner.learn_events(events, [event.timestamp for event in events])
    source = State(SCHEMA, options.ceilings(), served_only=True)
    source.apply(learner.state.full())
    made, size = copied(source, 3), source.keys["item"].capacity
    assert made.keys["item"].rows[name_of("i2", 2)] == 2 * size + source.keys["item"].rows["i2"]
    for data in made.tables.values():
        for column in data.table.columns if data.table.keys == "item" else ():
            own = size * data.table.width
            first, last = (data.columns[column.name][at * own : (at + 1) * own].astype(np.float64) for at in (0, 2))
            moved = np.where(first >= 0, first + 2 * size, first) if column.refers == "item" else first
            np.testing.assert_array_equal(last, moved)
    before, after = (
        Recommender(state).rank([item], [NOW + 60], [0], NOW + 61).items
        for state, item in ((source, "i2"), (made, "i2/2"))
    )
    assert before
    assert {name_of("i1", 2), name_of("i3", 2)} & set(after)
