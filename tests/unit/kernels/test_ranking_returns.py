"""How a young ranker's chances are mixed with counted returns: against a slow twin, and what is promised of it."""

import numpy as np
import pytest

from models import dimensions as dim
from models.kernels.ranking import returns
from models.recommender.recommender import new_state
from models.recommender.scratch import new_scratch
from models.recommender.types import RecommenderOptions
from models.state import SCHEMA, State
from tests import naive

SMALL = RecommenderOptions(items=80, users=40, categories=4, brands=4, test_every=1)


def ask(rng, own, count=30, target=None):
    """Scores of a list, own items by candidate with their places, and the candidate that came."""
    scores = rng.normal(0, 2, count).astype(np.float32)
    places = {int(at): int(place) for at, place in zip(rng.permutation(count), own, strict=False)}
    likely = naive.core.softmax(scores.tolist())
    return scores, places, int(rng.choice(count, p=likely)) if target is None else target(places)


def put(scratch, scores, own):
    listed = scratch.listed
    listed.scores[dim.RANKER, : len(scores)] = scores
    listed.scores[dim.OWN] = dim.ABSENT
    for at, place in own.items():
        listed.scores[dim.OWN, at] = -place
    listed.counts[0] = len(scores)
    return listed


def latest(own):
    return min(own, key=own.get, default=-1)


def test_chances_are_those_of_the_twin_while_the_ranker_is_better_and_worse():
    rng, state, scratch = np.random.default_rng(4), new_state(SMALL), new_scratch()
    table, twin = state.served.returns, naive.ranking.Returns(dim.RETURN_ODDS)
    for turn in range(300):
        places = rng.permutation(np.arange(1, 129))[: rng.integers(0, 28)]
        scores, own, target = ask(rng, places, target=latest if turn // 60 % 2 == 0 else None)
        listed = put(scratch, scores, own)
        returns.mix(listed, scratch.own, table, turn)
        found = naive.core.softmax(listed.scores[dim.RANKER, : len(scores)].tolist())
        expected = twin.mixed(scores.tolist(), own)
        assert found == pytest.approx(expected, abs=2e-3), turn
        assert scratch.own.alone[: len(scores)].tolist() == scores.tolist()
        returns.learn(table, listed, scratch.own, target, turn)
        twin.learn(scores.tolist(), own, target)
    assert max(table.odds[0]) != 0


def test_everybody_takes_the_last_item_again_and_a_ranker_that_knows_nothing_says_so_soon():
    rng, state, scratch = np.random.default_rng(5), new_state(SMALL), new_scratch()
    table, first = state.served.returns, []
    for turn in range(40):
        scores, own, target = ask(rng, range(1, 9), target=latest)
        listed = put(scratch, scores, own)
        returns.mix(listed, scratch.own, table, turn)
        first.append(int(listed.scores[dim.RANKER, :30].argmax()) == target)
        returns.learn(table, listed, scratch.own, target, turn)
    assert np.mean(first[20:]) == 1.0


def test_a_ranker_that_knows_more_is_left_alone_to_the_last_bit():
    rng, state, scratch = np.random.default_rng(6), new_state(SMALL), new_scratch()
    table = state.served.returns
    for turn in range(400):
        scores, own, _ = ask(rng, range(1, 9))
        listed = put(scratch, 3 * scores, own)
        returns.mix(listed, scratch.own, table, turn)
        returns.learn(table, listed, scratch.own, int(scores.argmax()), turn)
    assert listed.scores[dim.RANKER, :30].tolist() == (3 * scores).tolist()


def test_a_ranker_that_has_learned_many_lists_is_left_alone_whatever_was_counted():
    state, scratch, lists = new_state(SMALL), new_scratch(), int(3 * dim.RETURN_LISTS)
    state.served.returns.odds[:] = 50.0
    scores = np.array([0.5, -1, 3, 0, 2], np.float32)
    listed = put(scratch, scores, {1: 1, 3: 2})
    returns.mix(listed, scratch.own, state.served.returns, lists)
    returns.learn(state.served.returns, listed, scratch.own, 1, lists)
    assert listed.scores[dim.RANKER, :5].tolist() == scratch.own.alone[:5].tolist() == scores.tolist()
    assert scratch.own.counts[0] == 0
    assert not state.served.returns.places.any()


@pytest.mark.parametrize("own", [{}, {at: at + 1 for at in range(5)}], ids=["none", "all"])
def test_without_own_items_or_with_no_others_nothing_is_mixed(own):
    state, scratch = new_state(SMALL), new_scratch()
    scores = np.array([0.5, -1, 3, 0, 2], np.float32)
    listed = put(scratch, scores, own)
    returns.mix(listed, scratch.own, state.served.returns, 0)
    returns.learn(state.served.returns, listed, scratch.own, 2, 0)
    assert listed.scores[dim.RANKER, :5].tolist() == scores.tolist()
    assert not state.served.returns.own.any()


def test_a_score_that_is_no_number_is_nobodys_evidence():
    state, scratch = new_state(SMALL), new_scratch()
    listed = put(scratch, np.array([np.nan, 1, 2], np.float32), {1: 1})
    returns.mix(listed, scratch.own, state.served.returns, 0)
    returns.learn(state.served.returns, listed, scratch.own, 1, 0)
    assert np.isfinite(state.served.returns.odds).all()
    assert not state.served.returns.own.any()


def test_a_version_without_counts_of_returns_keeps_the_order_of_its_ranker():
    state, scratch = State(SCHEMA), new_scratch()
    scores = np.array([0.5, -1, 3, 0, 2], np.float32)
    listed = put(scratch, scores, {1: 1, 3: 2})
    returns.mix(listed, scratch.own, state.served.returns, 0)
    assert listed.scores[dim.RANKER, :5].tolist() == scores.tolist()
