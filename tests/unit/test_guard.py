"""What is served never loses to a single source, on streams made to defeat a ranker."""

import numpy as np
import pytest

from models import dimensions as dim
from models.evaluation import hits, reciprocal_ranks
from models.recommender import Recommender, RecommenderSettings, new_state
from tests.support.adversaries import STREAMS

EVENTS, FIRST = 6000, 1000
SETTINGS = RecommenderSettings(items=5000, users=EVENTS + 1, categories=8, brands=8, test_every=1)


@pytest.fixture(scope="module", params=STREAMS)
def tested(request):
    """Places and ranks of a stream's tested events, past the first thousand."""
    events = STREAMS[request.param](np.random.default_rng(11), EVENTS)
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
def test_not_even_event_by_event_is_served_far_behind(tested, measure):
    # The paired error is many times smaller, for sources that mostly agree. Three and not two: the best of eight is
    # picked after the fact, and that at five places.
    places, ranks = tested
    for end in range(2 * FIRST, EVENTS + 1, FIRST):
        gains = measure(ranks[places < end])
        lost = gains[:, gains[:, : dim.SOURCES].mean(axis=0).argmax()] - gains[:, dim.SERVED]
        assert lost.sum() <= 3 * max(1.0, float(np.sqrt((lost**2).sum()))), end
