"""The served list never loses to a single source, on streams made to defeat a ranker."""

import numpy as np
import pytest

from models import dimensions as dim
from models.recommender.prequential import hits, reciprocal_ranks
from models.recommender.recommender import Recommender, new_state
from models.recommender.types import RecommenderOptions
from tests.support.streams.adversaries import STREAMS

EVENTS, FIRST = 6000, 1000
SETTINGS = RecommenderOptions(items=5000, users=EVENTS + 1, categories=8, brands=8, test_every=1)


# Nothing can be predicted here, so the best source is ahead by chance: of eight, two standard errors ahead of any ninth
# in every other run.
UNKNOWABLE = {"noise"}


@pytest.fixture(scope="module", params=[name for name in STREAMS if name not in UNKNOWABLE])
def tested(request):
    """Places and ranks of a stream's tested events, past the first thousand."""
    return passed_through(request.param)


def passed_through(name):
    events = STREAMS[name](np.random.default_rng(11), EVENTS)
    recommender = Recommender(new_state(SETTINGS), SETTINGS)
    tested = recommender.learn_events(events, [event.timestamp for event in events])
    late = (tested.known >= 0) & (tested.places >= FIRST)
    return tested.places[late], tested.ranks[late]


@pytest.mark.parametrize("measure", [hits, reciprocal_ranks])
def test_at_every_thousand_served_is_within_two_standard_errors_of_the_best_source_so_far(tested, measure):
    places, ranks = tested
    for end in range(2 * FIRST, EVENTS + 1, FIRST):
        gains = measure(ranks[places < end])
        best = gains[:, : dim.SOURCES].mean(axis=0).argmax()
        error = gains[:, best].std() / np.sqrt(len(gains))
        assert gains[:, dim.SERVED].mean() >= gains[:, best].mean() - 2 * error, end


@pytest.mark.parametrize("measure", [hits, reciprocal_ranks])
def test_event_by_event_the_served_list_is_not_far_behind_either(tested, measure):
    # The paired error is many times smaller, because sources mostly agree. Three and not two: the best of eight is
    # picked after the fact, at five places.
    places, ranks = tested
    for end in range(2 * FIRST, EVENTS + 1, FIRST):
        gains = measure(ranks[places < end])
        lost = gains[:, gains[:, : dim.SOURCES].mean(axis=0).argmax()] - gains[:, dim.SERVED]
        assert lost.sum() <= 3 * max(1.0, float(np.sqrt((lost**2).sum()))), end


@pytest.mark.parametrize("measure", [hits, reciprocal_ranks])
@pytest.mark.parametrize("name", UNKNOWABLE)
def test_where_nothing_can_be_predicted_the_served_list_is_as_good_as_the_usual_source(name, measure):
    _, ranks = passed_through(name)
    gains = measure(ranks)
    usual, served = np.median(gains[:, : dim.SOURCES].mean(axis=0)), gains[:, dim.SERVED]
    assert served.mean() >= usual - 2 * served.std() / np.sqrt(len(gains))
