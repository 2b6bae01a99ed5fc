"""Events of one user that are alike: they count as fewer, wherever they stand in the stream."""

from __future__ import annotations

import random

import msgspec
import numpy as np
import pytest

from models.gate import Policy, comparisons
from models.statistics.clusters import BLOCK, FADING, GROUPS, LEAST, Clusters
from models.statistics.comparison import Comparison
from models.statistics.confidence import interval
from models.statistics.packed import pack, unpack

Events = list[tuple[int, int, float]]
"""Row of the user, difference of hits, difference of reciprocal ranks."""


def stream(seed: int, count: int, size: int, together: int) -> Events:
    """Users come `together` at a time; each stays for `size` events, which are all alike. Neither model is better."""
    draw = random.Random(seed)
    new = iter(range(count + together))
    outcomes = {}

    def someone() -> list[int]:
        user = next(new)
        hit = draw.choices([-1, 0, 1], [5, 90, 5])[0]
        outcomes[user] = (hit, hit * draw.uniform(0.05, 0.5))
        return [user] * size

    here, events = [someone() for _ in range(together)], []
    for _ in range(count):
        at = draw.randrange(together)
        user = here[at].pop()
        events.append((user, *outcomes[user]))
        here[at] = here[at] or someone()
    return events


def filled(events: Events) -> Clusters:
    clusters = Clusters()
    for event in events:
        clusters.add(*event)
    return clusters


@pytest.mark.parametrize("together", [1, 50])
@pytest.mark.parametrize("size", [1, 5, 20, 100])
def test_so_many_events_count_as_one_as_are_alike(size: int, together: int) -> None:
    # A user is left out of a block, or halved by its end, seldom enough.
    hit, reciprocal = filled(stream(size, 4_900, size, together)).design()
    assert 0.6 * size <= hit <= 1.6 * size
    assert 0.6 * size <= reciprocal <= 1.6 * size


def test_the_design_effect_is_the_variance_of_sums_by_group_over_that_of_independent_events() -> None:
    """The slow twin: all events kept, and grouped again for each block."""
    events = stream(7, 2 * BLOCK + 1_234, 6, 300)
    between = within = 0.0
    for start in range(0, len(events), BLOCK):
        part = events[start : start + BLOCK]
        groups, hits = np.array([user % GROUPS for user, *_ in part]), np.array([hit for _, hit, _ in part])
        sums = np.array([hits[groups == group].sum() for group in range(GROUPS)])
        counts = np.array([(groups == group).sum() for group in range(GROUPS)])
        shares = counts / counts.sum()
        assert 1.0 / (shares**2).sum() > LEAST
        apart = ((sums - counts * hits.mean()) ** 2).sum() / (1.0 - (shares**2).sum())
        between, within = between + apart, within + ((hits - hits.mean()) ** 2).sum()
        if len(part) == BLOCK:
            between, within = FADING * between, FADING * within
    assert filled(events).design()[0] == pytest.approx(between / within, abs=1e-4)


def test_bounds_are_those_of_as_many_fewer_events() -> None:
    comparison = Comparison("a")
    for user, hit, reciprocal in stream(3, 1_200, 1, 1):
        comparison.add_differences(hit, reciprocal, user)
    alike = msgspec.structs.replace(comparison, design=(4.0, 2.0), clusters=None)
    found = alike.bounds(0.05)
    hits, ranks = comparison.hit, comparison.reciprocal
    assert found.hit == pytest.approx(interval(300, hits.total / 4, hits.variance / 4, 0.025))
    assert found.reciprocal == pytest.approx(interval(600, ranks.total / 2, ranks.variance / 2, 0.025, 0.5))
    plain = msgspec.structs.replace(comparison, design=(1.0, 1.0), clusters=None)
    for wide, narrow in zip(alike.since(0.05), plain.since(0.05), strict=True):
        assert wide.n == narrow.n
        assert wide.hit[0] <= narrow.hit[0] <= narrow.hit[1] <= wide.hit[1]


def test_the_misses_of_one_user_are_no_harm_and_those_of_many_are() -> None:
    one, many = Comparison("a"), Comparison("a")
    for number in range(60):
        one.add(0, 3, user=5)
        many.add(0, 3, user=number)
    assert comparisons.harmed(one.weighed(), Policy()) == ""
    assert one.weighed().crashed() < 1.0
    assert comparisons.harmed(many.weighed(), Policy()) == "harm"
    assert many.weighed().crashed() == many.crashed() > 12.0


def test_events_without_a_user_are_taken_as_independent() -> None:
    comparison = Comparison("a")
    for _ in range(60):
        comparison.add(0, 3)
    assert comparison.weighed() is comparison
    assert comparison.design == (1.0, 1.0)


def test_what_the_gate_reads_has_the_design_effect_and_not_the_sums_behind_it() -> None:
    comparison = Comparison("a")
    for user, hit, reciprocal in stream(4, 2_000, 20, 50):
        comparison.add_differences(hit, reciprocal, user)
    read = comparison.weighed()
    assert read.clusters is None
    assert read.design[0] > 10
    again = msgspec.convert(msgspec.to_builtins(read), Comparison)
    assert again == read
    # A version of a release without the field is read as before.
    plain = msgspec.to_builtins(read)
    del plain["design"], plain["clusters"]
    assert msgspec.convert(plain, Comparison).design == (1.0, 1.0)


def test_clusters_go_on_after_a_journey_and_when_rows_are_given_anew() -> None:
    events = stream(5, BLOCK + 3_000, 10, 100)
    stayed = filled(events)
    travelled = unpack(pack(filled(events[: BLOCK + 1_000])), Clusters)
    for event in events[BLOCK + 1_000 :]:
        travelled.add(*event)
    assert travelled == stayed
    assert len(pack(stayed)) < 1_000
    known = stayed.design()[0]
    stayed.close()
    assert stayed.counts == [0] * GROUPS
    assert stayed.design()[0] == pytest.approx(known, abs=1e-3)
