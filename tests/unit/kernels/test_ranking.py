"""Small kernels of the ranking against their slow twins: ranks, Newton steps, which contender is served."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import dimensions as dim
from models.kernels.ranking import fallback as guard
from models.kernels.ranking import newton
from models.kernels.ranking import prequential as racing
from models.recommender.recommender import new_state
from models.recommender.types import RecommenderOptions
from tests import naive


@pytest.fixture(params=[1, 2, 3], ids=lambda seed: f"seed{seed}")
def rng(request):
    return np.random.default_rng(request.param)


@given(st.lists(st.sampled_from([0.0, 1.0, 2.0, dim.ABSENT]), min_size=1, max_size=12), st.data())
@settings(deadline=None)
def test_a_rank_counts_ties_against_the_target(scores, data):
    target = data.draw(st.integers(-1, len(scores) - 1))
    assert racing.rank_of(np.array(scores, np.float32), len(scores), target) == naive.ranking.rank_of(
        [float(np.float32(score)) for score in scores], target
    )


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 1.0, dim.ABSENT]), st.sampled_from([-2.0, 5.0])), min_size=1), st.data()
)
@settings(deadline=None)
def test_a_source_is_judged_with_popularity_behind_what_it_proposes(pairs, data):
    target = data.draw(st.integers(-1, len(pairs) - 1))
    scores, rest = (np.array(column, np.float32) for column in zip(*pairs, strict=True))
    expected = naive.ranking.rank_with_rest(scores.tolist(), rest.tolist(), target)
    assert racing.rank_with_rest(scores, rest, len(pairs), target) == expected


def test_newton_steps_are_those_of_the_inverted_curvature(rng):
    size = 7
    gradients = [rng.normal(0, 1, size).astype(np.float32) for _ in range(300)]
    for gradient in gradients:
        gradient[5], gradient[6] = 0, gradient[0] + 0.1 * gradient[6]
    weights, inverse, direction = np.zeros(size, np.float32), np.eye(size) * dim.NEWTON_SPREAD, np.zeros(size)
    for gradient in gradients:
        assert newton.step(weights, inverse, gradient, direction)
    expected = naive.ranking.newton(np.zeros(size), [gradient.astype(float) for gradient in gradients])
    assert weights == pytest.approx(expected, abs=1e-4)
    assert np.linalg.eigvalsh(inverse).min() > 0
    assert np.diag(inverse).max() <= dim.NEWTON_SPREAD * (1 + 1e-9)


def test_a_newton_step_along_a_gradient_that_is_not_finite_changes_nothing():
    weights, inverse, direction = np.zeros(3, np.float32), np.eye(3), np.zeros(3)
    assert not newton.step(weights, inverse, np.array([1, np.nan, 0], np.float32), direction)
    assert weights.tolist() == [0, 0, 0]
    assert inverse.tolist() == np.eye(3).tolist()


def test_the_guard_decides_like_its_twin(rng):
    """The quality of the ranker and the sources comes and goes, so that every rule is used."""
    state, twin = (
        new_state(RecommenderOptions(items=4, users=4, categories=4, brands=4)),
        naive.ranking.Guard(dim.RANKER),
    )
    table, chosen, served = state.private.guard, state.served.chosen, []
    for number in range(1500):
        spread = 8 + 30 * ((np.arange(dim.CONTENDERS) + number // 250) % 4)
        spread[dim.RANKER] = 4 if number // 250 % 2 else 60
        ranks = rng.integers(0, spread).astype(np.int32)
        guard.choose(table, ranks, chosen)
        served.append(twin.choose(ranks.tolist()))
        assert chosen.contender[0] == served[-1], number
    assert dim.RANKER in served
    assert len(set(served)) > 2


def test_a_ranker_that_breaks_is_replaced_and_comes_back_when_it_is_sound():
    state = new_state(RecommenderOptions(items=4, users=4, categories=4, brands=4))
    table, chosen = state.private.guard, state.served.chosen
    good, bad = np.full(dim.CONTENDERS, 9, np.int32), np.full(dim.CONTENDERS, 9, np.int32)
    good[dim.RANKER], bad[dim.RANKER], bad[dim.LAG] = 2, 0, 3
    spans = []
    for ranks, expected in ((good, dim.RANKER), (bad, dim.LAG), (good, dim.RANKER)):
        spans.append(0)
        while chosen.contender[0] != expected and spans[-1] < 3000:
            guard.choose(table, ranks, chosen)
            spans[-1] += 1
        assert chosen.contender[0] == expected
    assert spans[1] < 50
