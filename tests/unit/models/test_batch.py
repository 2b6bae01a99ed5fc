"""Events collected and learned together: what further passes change and leave alone, and when they end."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest

from models import dimensions as dim
from models.batch.held_out import HeldOut
from models.batch.passes import SUMS, VECTORS, Passes
from models.batch.training import Goal, Trained, train
from models.kernels.learning import learn_factors
from models.kernels.retrieval import factorization
from models.recommender.recommender import Recommender, new_state
from models.recommender.scratch import new_scratch
from models.recommender.types import RecommenderOptions
from models.state.rings import kinds
from streaming.intake.intake import PreparedBatch
from streaming.learner.batching import split
from tests.support.oracles.seen import Seen

SETTINGS = RecommenderOptions(items=500, users=100, categories=100, brands=100, queries=100)


def stream(count: int, seed: int = 1, first: int = 0) -> list[Seen]:
    """Users who walk along sixty items, each in steps of their own; a search and a dislike now and then."""
    draw, at = random.Random(seed), {user: (7 * user) % 60 for user in range(20)}
    events = []
    for number in range(first, first + count):
        user = draw.randrange(20)
        at[user] = (at[user] + 1 + user % 3) % 60 if draw.random() < 0.9 else draw.randrange(60)
        kind = draw.choices([dim.CLICK, dim.PURCHASE, dim.SEARCH, dim.DISLIKE], [80, 12, 5, 3])[0]
        events.append(Seen(kind, f"u{user}", f"i{at[user]}", 1.7e9 + number))
    return events


def learn(recommender: Recommender, events: list[Seen]) -> None:
    recommender.learn_events(events, [event.timestamp for event in events])


@pytest.fixture
def recommender() -> Recommender:
    """A recommender that has learned 600 events."""
    found = Recommender(new_state(SETTINGS), SETTINGS)
    learn(found, stream(600))
    return found


def yes() -> bool:
    return True


def columns(recommender: Recommender, named: dict[str, tuple[str, ...]]) -> dict[str, bytes]:
    tables = recommender.state.tables
    return {
        f"{table}.{name}": tables[table].columns[name].tobytes() for table, names in named.items() for name in names
    }


def everything(recommender: Recommender) -> dict[str, bytes]:
    return columns(recommender, {name: tuple(data.columns) for name, data in recommender.state.tables.items()})


def test_a_further_pass_changes_the_machines_vectors_and_the_generator_alone(recommender: Recommender) -> None:
    events = stream(400, seed=2, first=600)
    passes = Passes(recommender, events)
    learn(recommender, events)
    before = everything(recommender)
    assert passes.run(0.5, yes)
    after = everything(recommender)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"item_factors.q", "item_factors.bias", "item_last.g", "progress.random"}


def test_a_pass_at_the_full_rate_takes_the_steps_that_learning_takes(recommender: Recommender) -> None:
    """Compare with the machine's own step, event by event, with each user's ring as it was."""
    events = stream(300, seed=3, first=600)
    twin = Recommender(new_state(SETTINGS), SETTINGS)
    learn(twin, stream(600))
    passes = Passes(recommender, events)
    learn(recommender, events)
    ring = twin.state.tables["user_ring"].columns
    rings = {"item": ring["item"].copy(), "kind": kinds(ring["did"])}
    pushed = twin.state.tables["user"].columns["pushed"].copy()
    learn(twin, events)
    assert passes.run(1.0, yes)
    _again_slowly(twin, events, rings, pushed)
    assert columns(recommender, VECTORS) == columns(twin, VECTORS)


def _again_slowly(twin: Recommender, events: list[Seen], rings: dict[str, np.ndarray], pushed: np.ndarray) -> None:
    state, scratch, sums = twin.state, new_scratch(), twin.state
    kept = {(table, name): sums.tables[table].columns[name].copy() for table, names in SUMS.items() for name in names}
    served, private = state.served, state.private
    for event in events:
        if event.kind == dim.SEARCH:
            continue
        user, item = state.keys["user"].rows[event.user_id], np.int32(state.keys["item"].rows[event.item_id])
        past = [(pushed[user] - 1 - back) % dim.RING + user * dim.RING for back in range(min(int(pushed[user]), 32))]
        _fill(scratch.history, [(rings["item"][at], rings["kind"][at]) for at in past])
        weight, negatives = np.float32(SETTINGS.weights[event.kind]), 0
        if event.kind <= dim.PURCHASE:
            progress, recent = private.progress, private.recent.item
            known = (served.pool.item, served.clock.pooled[0], recent, progress.recent[0], progress.random)
            negatives = factorization.draw_negatives(scratch.work, item, *known)
        tables = (served.item_stats.category, served.item_factors, served.item_last, served.category_factors)
        learn_factors(scratch.history, scratch.work, *tables, private.progress, item, weight, negatives)
        place = user * dim.RING + pushed[user] % dim.RING
        rings["item"][place], rings["kind"][place] = item, event.kind
        pushed[user] += 1
    for (table, name), values in kept.items():
        state.tables[table].columns[name][:] = values


def _fill(history: object, past: list[tuple[int, int]]) -> None:
    """The ten newest wanted events without cancelled ones, newest first."""
    taken_back: set[int] = set()
    items = []
    for item, kind in past:
        if item in taken_back:
            continue
        if kind >= dim.UNFAVOURITE:
            taken_back.add(item)
        elif len(items) < dim.WINDOW:
            items.append(item)
    history.counts[0] = len(items)  # type: ignore[attr-defined]
    history.items[: len(items)] = items  # type: ignore[attr-defined]


def test_the_best_pass_is_kept_and_no_further_one_is_made_when_nothing_is_gained(recommender: Recommender) -> None:
    events, tail = stream(600, seed=2, first=600), stream(200, seed=4, first=1_200)
    passes = Passes(recommender, events)
    learn(recommender, events)
    held = HeldOut(recommender, tail)
    trained = train(passes, held, Goal(passes=6), Clock(), yes)
    assert 2 <= len(trained.scores) <= 6
    best = max(range(len(trained.scores)), key=lambda at: trained.scores[at].total)
    assert trained.kept == best + 1
    assert held.score(yes) == trained.scores[best]
    summary = trained.summary()
    assert summary["held_out"] == trained.scores[0].n > 100
    assert summary["stopped"] == ("no_gain" if len(trained.scores) - trained.kept >= 2 else "passes")


class Clock:
    """A clock that advances by `step` seconds at each call."""

    def __init__(self, step: float = 0.0) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


@pytest.mark.parametrize(
    ("goal", "clock", "alive", "stopped"),
    [
        (Goal(passes=1), Clock(), yes, "passes"),
        (Goal(target=0.01), Clock(), yes, "target"),
        (Goal(budget=50.0), Clock(0.3), yes, "budget"),
        (Goal(), Clock(), lambda: False, "asked"),
    ],
)
def test_training_ends_with_what_is_reached_first_and_leaves_the_best(
    recommender: Recommender, goal: Goal, clock: Clock, alive: Callable[[], bool], stopped: str
) -> None:
    events, tail = stream(200, seed=2, first=600), stream(100, seed=4, first=800)
    passes = Passes(recommender, events)
    learn(recommender, events)
    before = columns(recommender, VECTORS)
    trained = train(passes, HeldOut(recommender, tail), goal, clock, alive)
    assert trained.stopped == stopped
    assert trained.kept == 1
    assert columns(recommender, VECTORS) == before


def test_without_events_to_ask_about_there_is_one_pass(recommender: Recommender) -> None:
    events = stream(50, seed=2, first=600)
    passes = Passes(recommender, events)
    learn(recommender, events)
    assert train(passes, HeldOut(recommender, []), Goal(), Clock(), yes) == Trained(stopped="nothing_held_out")


def test_a_row_that_now_belongs_to_another_item_is_not_trained() -> None:
    small = RecommenderOptions(items=40, users=100, categories=100, brands=100, queries=100)
    recommender = Recommender(new_state(small), small)
    learn(recommender, stream(300))
    events = stream(300, seed=5, first=300)
    passes = Passes(recommender, events)
    learn(recommender, events)
    assert recommender.counters()["evicted_items"]
    assert passes.run(1.0, yes)
    assert not recommender.state.cut().not_finite()


@pytest.mark.parametrize(
    ("sizes", "share", "body"),
    [([10] * 10, 0.1, 9), ([10] * 10, 0.25, 7), ([10], 0.1, 1), ([10, 0, 0], 0.1, 1), ([], 0.1, 0)],
)
def test_the_most_recent_batches_are_held_out(sizes: list[int], share: float, body: int) -> None:
    batches = [PreparedBatch(record_times=[0.0] * size, events=[None] * size) for size in sizes]  # type: ignore[list-item]
    older, newer = split(batches, share)
    assert len(older) == body
    assert older + newer == batches
