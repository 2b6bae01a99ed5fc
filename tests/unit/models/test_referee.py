"""Evidence in the learner: what a frozen version would have shown, and its comparison with the learning model."""

from __future__ import annotations

import random

import numpy as np
import pytest

from models import dimensions as dim
from models.gate import Policy, comparisons
from models.kernels.serving import answer
from models.recommender.frozen import FrozenModel
from models.recommender.histories import AskedAt, overwritten, recall
from models.recommender.recommender import Recommender, new_state
from models.recommender.scratch import new_scratch
from models.recommender.types import RecommenderOptions
from models.referee.referee import ENOUGH, SHARE, Awaited, Referee
from models.state.schema import SCHEMA
from models.state.state import State
from tests.support.oracles.seen import Seen

SETTINGS = RecommenderOptions(items=500, users=60, categories=20, brands=20, test_every=1)


def stream(seed: int, count: int, users: int = 30, items: int = 60) -> list[Seen]:
    """Users who walk along the items each in their own steps; a few searches and dislikes between."""
    draw = random.Random(seed)
    at = {user: draw.randrange(items) for user in range(users)}
    events = []
    for number in range(count):
        user = draw.randrange(users)
        at[user] = (at[user] + 1 + user % 3) % items if draw.random() < 0.8 else draw.randrange(items)
        kind = draw.choices([dim.CLICK, dim.PURCHASE, dim.SEARCH, dim.DISLIKE], [80, 12, 5, 3])[0]
        events.append(Seen(kind, f"u{user}", f"i{at[user]}", 1.7e9 + number))
    return events


def copied(state: State) -> State:
    """Served tables as a version would carry them."""
    copy = State(SCHEMA, SETTINGS.ceilings(), served_only=True)
    copy.apply(state.full())
    return copy


def times(events: list[Seen]) -> list[float]:
    return [event.timestamp for event in events]


class Clock:
    """A clock that advances only when told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def rich() -> Clock:
    """A clock that makes everything affordable: no time passes while a frozen model is asked."""
    return Clock()


def test_a_copy_of_the_model_would_have_shown_what_the_learner_tested() -> None:
    """The slow twin: before each event the state is copied, and the copy's rank is the one the kernel tested."""
    recommender = Recommender(new_state(SETTINGS, 3), SETTINGS)
    events = stream(1, 700)
    recommender.learn_events(events[:500], times(events[:500]))
    scratch, compared = new_scratch(), 0
    for event in events[500:]:
        copy = FrozenModel("copy", copied(recommender.state))
        batch = recommender.rows([event], [event.timestamp])
        found = overwritten(recommender.state, batch)
        tested = recommender.learn(batch)
        for place, known, ranks in zip(tested.places.tolist(), tested.known.tolist(), tested.ranks, strict=True):
            if known >= 0:
                moment = recall(recommender.state, batch, found, place)
                assert copy.rank(moment, recommender.state, scratch) == ranks[dim.SERVED]
                compared += 1
    assert compared > 150


def moments(recommender: Recommender, events: list[Seen], size: int) -> list[AskedAt]:
    """The moment before each event, recalled after batches of that size were learned."""
    found = []
    for at in range(0, len(events), size):
        batch = recommender.rows(events[at : at + size], times(events[at : at + size]))
        assert len(batch.user) == len(events[at : at + size])
        before = overwritten(recommender.state, batch)
        recommender.learn(batch)
        found += [recall(recommender.state, batch, before, place) for place in range(len(batch.user))]
    return found


@pytest.mark.parametrize("users", [2, 4, 30])
def test_the_history_of_a_moment_is_the_same_within_a_batch_as_event_by_event(users: int) -> None:
    """Two users have 450 events each in a batch: three rings full, so nothing of the first ones is left in theirs."""
    events = stream(2, 1_300, users=users)
    ones, many = (Recommender(new_state(SETTINGS, 3), SETTINGS) for _ in range(2))
    alone = moments(ones, events, 1)
    within = moments(many, events[:400], 400) + moments(many, events[400:], 900)
    for one, other in zip(alone, within, strict=True):
        assert (one.items.tolist(), one.times.tolist()) == (other.items.tolist(), other.times.tolist())
        assert (one.kinds.tolist(), one.now, one.item) == (other.kinds.tolist(), other.now, other.item)
    assert users == 30 or len(alone[-1].items) == 128
    assert alone[-1].items.dtype == within[-1].items.dtype


def test_a_frozen_model_is_asked_with_the_history_of_the_moment_however_busy_its_user_is() -> None:
    """One user causes all of 300 events of a batch: a copy finds as much as it does when events come one by one."""
    found = []
    for size in (300, 1):
        recommender = Recommender(new_state(SETTINGS, 3), SETTINGS)
        events = stream(9, 900, users=1)
        recommender.learn_events(events[:600], times(events[:600]))
        referee = Referee(rich())
        referee.compare_with(FrozenModel("copy", copied(recommender.state)), None)
        judged(events[600:], referee, recommender, size)
        reference = referee.standing(0.0, 0).reference
        assert reference is not None
        found.append((reference.n, reference.other_hits))
    assert found[0] == found[1]
    assert found[0][1] > 0.7 * found[0][0] > 100


def test_the_lines_of_an_order_are_one_question() -> None:
    recommender = Recommender(new_state(SETTINGS, 3), SETTINGS)
    events = stream(10, 800)
    recommender.learn_events(events, times(events))
    referee = Referee(rich())
    referee.compare_with(FrozenModel("copy", copied(recommender.state)), None)
    lines = [
        Seen(dim.PURCHASE, f"u{order % 30}", f"i{(order * 7 + line) % 60}", 1.8e9 + order)
        for order in range(40)
        for line in range(5)
    ]
    # Batches of seven lines cut orders in two.
    judged(lines, referee, recommender, 7)
    standing = referee.standing(0.0, 0)
    assert standing.reference is not None
    assert standing.learnt is not None
    assert (standing.reference.n, standing.learnt.n) == (40, 40)


def test_a_question_about_an_order_knows_none_of_its_lines() -> None:
    recommender = Recommender(new_state(SETTINGS, 3), SETTINGS)
    before = [Seen(dim.CLICK, "u1", f"i{item}", 1.7e9 + item) for item in range(5)]
    order = [Seen(dim.PURCHASE, "u1", f"i{item}", 1.8e9) for item in range(10, 14)]
    after = [Seen(dim.CLICK, "u1", "i20", 1.8e9 + 1)]
    recommender.learn_events(before, times(before))
    batch = recommender.rows([*order, *after], times([*order, *after]))
    found = overwritten(recommender.state, batch)
    recommender.learn(batch)
    assert found.opens.tolist() == [True, False, False, False, True]
    ids = recommender.state.keys["item"].ids
    asked = recall(recommender.state, batch, found, 0)
    assert [ids[row] for row in asked.items.tolist()] == ["i4", "i3", "i2", "i1", "i0"]


def test_asking_a_frozen_model_compiles_nothing_that_a_request_does_not_need() -> None:
    recommender = Recommender(new_state(SETTINGS, 3), SETTINGS)
    batch = recommender.rows([Seen(0, "u", "i", 1.7e9)], [1.7e9])
    found = overwritten(recommender.state, batch)
    recommender.learn(batch)
    recommender.rank(["i"], [1.7e9], [0], 1.7e9)
    known = len(answer.signatures)
    moment = recall(recommender.state, batch, found, 0)
    FrozenModel("copy", copied(recommender.state)).rank(moment, recommender.state, new_scratch())
    assert len(answer.signatures) == known


def test_a_row_that_now_belongs_to_another_id_is_recognised() -> None:
    recommender = Recommender(new_state(SETTINGS, 3), SETTINGS)
    events = stream(4, 600)
    recommender.learn_events(events, times(events))
    old = FrozenModel("old", copied(recommender.state))
    row = recommender.state.keys["item"].rows["i7"]
    recommender.remove("item", ["i7"])
    recommender.learn_events([Seen(0, "u1", "newcomer", 1.8e9)] * 3, [1.8e9] * 3)
    assert recommender.state.keys["item"].rows["newcomer"] == row
    none = np.zeros(0, np.int32)
    moment = AskedAt(none, none.astype(np.int64), none.astype(np.uint8), int(1.8e9), row)
    assert old.rank(moment, recommender.state, new_scratch()) == 0


def judged(events: list[Seen], referee: Referee, recommender: Recommender, step: int = 100) -> None:
    """Learn events in batches with the referee watching, every one affordable."""
    for at in range(0, len(events), step):
        part = events[at : at + step]
        referee.add_budget(1e9)
        recommender.learn_events(part, times(part), watch=lambda *run: referee.watch(recommender.state, *run))


def test_a_model_whose_ranker_is_ruined_is_found_worse_than_the_one_before_and_itself_equal() -> None:
    recommender = Recommender(new_state(SETTINGS, 3), SETTINGS)
    events = stream(5, 6_000)
    recommender.learn_events(events[:3_000], times(events[:3_000]))
    good = FrozenModel("good", copied(recommender.state))
    ruined = copied(recommender.state)
    weights = ruined.tables["ranker"].columns["weight"]
    weights[:] = np.random.default_rng(1).normal(0, 3, weights.shape)
    for one in (good.state, ruined):
        one.tables["chosen"].columns["contender"][:] = dim.RANKER
    referee = Referee(rich())
    referee.compare_with(good, FrozenModel("ruined", ruined))
    judged(events[3_000:4_500], referee, recommender)
    standing = referee.standing(0.0, 4_500)
    assert standing.reference is not None
    assert standing.probation is not None
    assert comparisons.harmed(standing.reference, Policy()) == ""
    assert comparisons.harmed(standing.probation, Policy()) in {"harm", "crash"}
    assert standing.probation.of == "ruined"
    assert standing.probation.against == "good"


def test_the_same_tables_never_differ() -> None:
    recommender = Recommender(new_state(SETTINGS, 3), SETTINGS)
    events = stream(6, 1_500)
    recommender.learn_events(events[:1_000], times(events[:1_000]))
    state = copied(recommender.state)
    referee = Referee(rich())
    referee.compare_with(FrozenModel("a", state), FrozenModel("b", state))
    judged(events[1_000:], referee, recommender)
    probation = referee.standing(0.0, 0).probation
    assert probation is not None
    assert probation.n > 300
    assert (probation.hit.total, probation.hit.variance, probation.reciprocal.variance) == (0.0, 0.0, 0.0)


def test_sums_continue_while_both_models_stay_and_restart_at_a_change_or_rollback() -> None:
    recommender = Recommender(new_state(SETTINGS, 3), SETTINGS)
    events = stream(7, 2_000)
    recommender.learn_events(events[:1_000], times(events[:1_000]))
    reference, newer = FrozenModel("a", copied(recommender.state)), FrozenModel("b", copied(recommender.state))
    referee = Referee(rich())

    def count(name: str) -> int:
        found = getattr(referee.standing(0.0, 0), name)
        return -1 if found is None else found.n

    referee.compare_with(reference, None)
    judged(events[1_000:1_200], referee, recommender)
    first = count("reference")
    assert first > 100
    assert count("champion") == count("probation") == -1
    referee.compare_with(reference, newer)
    assert (count("reference"), count("champion"), count("probation")) == (first, 0, 0)
    judged(events[1_200:1_300], referee, recommender)
    assert count("reference") > first
    referee.compare_with(reference, reference)
    assert (count("reference"), count("champion"), count("probation")) == (0, 0, -1)


def test_the_reference_before_is_compared_until_the_new_one_is() -> None:
    recommender = Recommender(new_state(SETTINGS, 3), SETTINGS)
    events = stream(7, 3_000)
    recommender.learn_events(events[:1_000], times(events[:1_000]))
    one, other = FrozenModel("a", copied(recommender.state)), FrozenModel("b", copied(recommender.state))
    referee = Referee(rich())

    def counts() -> tuple[int, int]:
        standing = referee.standing(0.0, 0)
        assert standing.reference is not None
        assert standing.former is None or standing.former.against == "a"
        return standing.former.n if standing.former is not None else -1, standing.reference.n

    referee.compare_with(one, None, awaited=Awaited("a", "a"))
    judged(events[1_000:1_400], referee, recommender)
    assert counts()[0] == -1
    before = counts()[1]
    assert before > ENOUGH
    referee.compare_with(None, None, awaited=Awaited("b", "b"), former=one)
    assert counts() == (before, 0)
    judged(events[1_400:1_500], referee, recommender)
    assert counts()[0] > before
    assert counts()[1] == 0, "the new reference is not at hand yet"
    # Its versions are held, so it is served for as long as a champion must be: that is no return to it.
    referee.compare_with(other, other, awaited=Awaited("b", "b"), former=one)
    judged(events[1_500:1_600], referee, recommender)
    referee.compare_with(other, other, awaited=Awaited("b", "b"), former=one)
    assert counts()[0] > before
    assert counts()[1] > 0
    judged(events[1_600:2_000], referee, recommender)
    referee.compare_with(other, other, awaited=Awaited("b", "b"), former=one)
    assert counts()[0] == -1, "the new one is compared well enough"


def test_asking_frozen_models_takes_no_more_than_its_share_of_the_learning_time() -> None:
    recommender = Recommender(new_state(SETTINGS, 3), SETTINGS)
    events = stream(8, 4_000)
    recommender.learn_events(events[:1_000], times(events[:1_000]))
    clock = Clock()

    class Slow(FrozenModel):
        def rank(self, *moment: object) -> int:  # type: ignore[override]
            assert len(moment) == 3
            clock.now += 0.001
            return 1

    referee = Referee(clock)
    referee.compare_with(Slow("slow", copied(recommender.state)), None)
    learning = 0.0
    for at in range(1_000, 4_000, 50):
        part = events[at : at + 50]
        referee.add_budget(0.05)
        learning += 0.05
        recommender.learn_events(part, times(part), watch=lambda *run: referee.watch(recommender.state, *run))
    assert referee.spent == pytest.approx(SHARE * learning, rel=0.15)
    assert referee.passed_over > 1_500
    assert referee.compared == round(referee.spent / 0.001)


def test_sums_against_an_anchor_wait_for_its_turn_and_end_when_it_is_no_longer_named() -> None:
    recommender = Recommender(new_state(SETTINGS, 3), SETTINGS)
    events = stream(9, 2_000)
    recommender.learn_events(events[:1_000], times(events[:1_000]))
    one, two, other = (FrozenModel(name, copied(recommender.state)) for name in ("a", "b", "c"))
    referee = Referee(rich())

    def counts() -> dict[str, int]:
        return {found.against: found.n for found in referee.standing(0.0, 0).anchors}

    def tested(start: int, anchor: FrozenModel, anchors: list[str]) -> None:
        referee.compare_with(other, None, anchor=anchor, anchors=anchors)
        judged(events[start : start + 200], referee, recommender)

    tested(1_000, one, ["a", "b"])
    first = counts()
    assert set(first) == {"a"}
    tested(1_200, two, ["a", "b"])
    assert counts()["a"] == first["a"], "it is not asked while it is another one's turn"
    assert counts()["b"] > 100
    reference = referee.standing(0.0, 0).reference
    assert reference is not None
    assert reference.n == sum(counts().values()), "the reference is asked about each event"
    tested(1_400, two, ["b"])
    assert set(counts()) == {"b"}
    tested(1_600, two, ["b", "c"])
    assert counts()["c"] > 100, "the reference is an anchor as well, and asked anyway"
    referee.compare_with(two, two, anchor=two, anchors=["b"])
    assert counts() == {}, "a rollback starts all sums again"


@pytest.mark.parametrize("poor", [False, True])
def test_an_anchor_takes_its_part_of_the_same_share_of_the_time(poor: bool) -> None:
    recommender = Recommender(new_state(SETTINGS, 3), SETTINGS)
    events = stream(8, 4_000)
    recommender.learn_events(events[:1_000], times(events[:1_000]))
    clock, calls = Clock(), {"reference": 0, "anchor": 0}

    class Slow(FrozenModel):
        def rank(self, *moment: object) -> int:  # type: ignore[override]
            assert len(moment) == 3
            clock.now += 0.001
            calls[self.version] += 1
            return 1

    referee = Referee(clock)
    reference, anchor = (Slow(name, copied(recommender.state)) for name in calls)
    referee.compare_with(reference, None, anchor=anchor, anchors=["anchor"])
    batch = 0.05 if poor else 5.0
    for at in range(1_000, 4_000, 50):
        part = events[at : at + 50]
        referee.add_budget(batch)
        recommender.learn_events(part, times(part), watch=lambda *run: referee.watch(recommender.state, *run))
    learning = 60 * batch
    print(f"{referee.spent / learning:.3f} of the learning time for comparisons, asked: {calls}")
    assert referee.spent <= 1.15 * SHARE * learning
    if poor:
        assert calls["anchor"] == pytest.approx(calls["reference"] / 4, abs=1), "what is sudden comes first"
    else:
        assert calls["anchor"] == calls["reference"]


def test_the_window_holds_the_last_records_and_its_busiest_user() -> None:
    referee = Referee(rich())
    recommender = Recommender(new_state(SETTINGS, 3), SETTINGS)
    for number in range(30):
        referee.count_records(1_000, 100, 50)
        events = [Seen(0, "busy" if at < 15 else f"u{at}", f"i{number}", 1.7e9) for at in range(50)]
        recommender.learn_events(events, times(events), watch=lambda *run: referee.watch(recommender.state, *run))
    window = referee.standing(1.5, 7).window
    assert (window.records, window.bad, window.duplicate, window.top_user) == (10_000, 0.1, 0.05, 0.3)
