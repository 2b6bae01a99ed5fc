"""SASRec and GRU4Rec as rivals: what they learn, what they know between two fits, and what is said without PyTorch."""

from __future__ import annotations

import importlib.util
import random

import numpy as np
import pytest

from models.evaluation import Stream, UnknownContenderError, chosen
from models.evaluation.rival_run import examples, run_rival, top
from models.evaluation.rivals import Refitted
from models.evaluation.rivals_torch import SEQUENCES, SequenceRival
from tests.support.streams.shop import ShopEvent

needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
each_model = pytest.mark.parametrize("name", sorted(SEQUENCES))

ITEMS = 60


def follower(item):
    """One cycle through all items: what comes next is certain, and popularity says nothing."""
    return (item + 7) % ITEMS


def taught(name, users=90, steps=20, seed=1):
    rival, rng = SEQUENCES[name](seed), random.Random(5)
    for user in range(users):
        item = rng.randrange(ITEMS)
        for _ in range(steps):
            rival.learn(f"u{user}", item, 1.0, 0.0)
            rival.learn(f"u{user}", rng.randrange(ITEMS), 0.0, 0.0)
            item = follower(item)
    return rival


def nothing(words):
    pass


@needs_torch
@each_model
def test_a_sequence_without_chance_is_learned_and_followed_by_a_user_who_came_after_the_fit(name) -> None:
    rival = taught(name)
    rival.refit(nothing)
    hits = 0
    for start in range(ITEMS):
        item = start
        for _ in range(3):
            rival.learn(f"new {start}", item, 1.0, 0.0)
            item = follower(item)
        hits += top(rival.scores(f"new {start}", ITEMS, 0.0), 1) == [item]
    assert hits > 0.8 * ITEMS, hits  # by chance one


@needs_torch
@each_model
def test_a_later_fit_goes_on_and_knows_new_items_which_the_one_before_proposes_never(name) -> None:
    rival, told = taught(name, users=40), []
    assert not np.isfinite(rival.scores("nobody yet", ITEMS, 0.0)).any(), "before the first fit it proposes nothing"
    rival.refit(told.append)
    for user in range(40):
        rival.learn(f"u{user}", ITEMS, 1.0, 0.0)
    scores = rival.scores("u1", ITEMS + 3, 0.0)
    assert (scores == 0.0).sum() == 21, "nobody came back, so own items come last"
    assert scores[ITEMS:].tolist() == [0.0, -np.inf, -np.inf]
    assert scores[np.isfinite(scores)].sum() == pytest.approx(1.0)
    popular = [count / rival._counts.sum() or -np.inf for count in rival._counts.tolist()]
    assert rival.scores("nobody yet", ITEMS, 0.0).tolist() == pytest.approx(popular)
    rival.refit(told.append)
    rival.learn("late", follower(0), 1.0, 0.0)
    scores = rival.scores("late", ITEMS + 3, 0.0)
    assert np.isfinite(scores[ITEMS])
    assert scores[ITEMS + 1 :].tolist() == [-np.inf] * 2
    assert told[0].startswith("fit 1, pass 1 of up to ")
    assert told[-1].startswith("fit 2, pass ")
    assert rival.notes()["fits"] == 2
    assert rival.memory() > 12 * 64 * ITEMS


@needs_torch
@each_model
def test_where_people_come_back_their_own_items_are_proposed(name) -> None:
    rival = SEQUENCES[name](1)
    for user in range(40):
        for step in range(20):
            rival.learn(f"u{user}", 2 * (user % 20) + step % 2, 1.0, 0.0)
    rival.refit(nothing)
    for user in range(20):
        assert set(top(rival.scores(f"u{user}", 40, 0.0), 2)) == {2 * user, 2 * user + 1}


@needs_torch
@each_model
def test_two_rivals_of_one_seed_score_alike_to_the_bit(name) -> None:
    first, again = taught(name, users=20), taught(name, users=20)
    for rival in (first, again):
        rival.refit(nothing)
    assert first.scores("u1", ITEMS, 0.0).tolist() == again.scores("u1", ITEMS, 0.0).tolist()


@needs_torch
def test_nothing_to_learn_from_is_no_fit() -> None:
    rival = SEQUENCES["sasrec"](1)
    rival.learn("ann", 0, 1.0, 0.0)
    rival.refit(nothing)
    assert (rival.notes()["fits"], rival.notes()["learned"]) == (0, 0)


@needs_torch
@each_model
def test_a_thinner_budget_ends_a_fit_after_the_pass_that_reaches_it(name) -> None:
    rival, told = SequenceRival(name, 1, positions=300), []
    for user in range(20):
        for step in range(11):
            rival.learn(f"u{user}", (user + step) % ITEMS, 1.0, 0.0)
    rival.refit(told.append)
    assert rival.notes() == {"fits": 1, "learned": 400, "most_learned_in_a_fit": 300}
    assert len(told) == 2


class Fitted:
    """Notes how many events it had learned at each fit."""

    pointwise = False

    def __init__(self):
        self.learned, self.fits = 0, []

    def learn(self, _user, _item, target, _when):
        self.learned += target > 0

    def catch_up(self, when):
        pass

    def refit(self, tell):
        tell("fit")
        self.fits.append(self.learned)

    def scores(self, _user, count, _when):
        return np.zeros(count)

    def predicted(self, scores):
        return scores

    def memory(self):
        return 0

    def notes(self):
        return {}


@pytest.mark.parametrize("count", [10, 37, 100])
def test_a_fit_comes_at_each_tenth_of_the_stream_with_all_before_it(count) -> None:
    events = [ShopEvent(0, f"u{n % 3}", f"i{n % 5}", float(n)) for n in range(count)]
    stream, rival, told = Stream(events, {}), Fitted(), []
    assert isinstance(rival, Refitted)
    run_rival(
        stream,
        examples(stream, 1),
        rival,
        [],
        [],
        3,
        iter(range(10_000)).__next__,
        lambda done, words="": told.append((done, words)),
    )
    assert rival.fits == [-(-count * part // 10) for part in range(1, 10)]
    assert [done for done, words in told if words == "fit"] == rival.fits


def test_without_pytorch_the_message_names_the_package_and_the_extra(monkeypatch) -> None:
    monkeypatch.setattr("models.evaluation.contenders._installed", lambda group: group != "sequences")
    makers, absent = chosen([])
    assert not makers.keys() & SEQUENCES.keys()
    assert {absent[name] for name in SEQUENCES} == {
        "torch is not installed: pip install 'sluicegate[compare]', or pip install torch"
    }
    with pytest.raises(UnknownContenderError, match=r"sasrec needs the package torch: .*sluicegate\[compare\]"):
        chosen(["sasrec"])
