"""What a new shop is shown: the ranker from the first event, its users' own items placed by counts at first."""

import numpy as np
import pytest

from models import dimensions as dim
from models.recommender.explanation import explained
from models.recommender.recommender import Recommender, new_state
from models.recommender.scratch import new_scratch
from models.recommender.types import RecommenderOptions
from tests.support.streams.shop import START, ShopEvent

RETURNING = RecommenderOptions(items=80, users=40, categories=4, brands=4, test_every=1)


def returning(events, users=12, items=40):
    """Users who take one of their last two items again two times in three."""
    rng, had, found = np.random.default_rng(8), {}, []
    for number in range(events):
        user = int(rng.integers(users))
        past = had.setdefault(user, [])
        again = len(past) > 1 and rng.random() < 0.67
        item = past[-1 - int(rng.random() < 0.3)] if again else int(rng.integers(items))
        past.append(item)
        found.append(ShopEvent(0, f"u{user}", f"i{item}", START + 40 * number))
    return found


def test_a_new_shop_is_served_by_the_ranker_and_no_worse_than_its_users_own_items():
    recommender, events = Recommender(new_state(RETURNING), RETURNING), returning(300)
    assert recommender.chosen == "ranker"
    tested = recommender.learn_events(events, [event.timestamp for event in events])
    first = (tested.ranks[tested.known >= 0][:, [dim.OWN, dim.SERVED]] == 1).mean(axis=0)
    assert first[1] > 0.9 * first[0] > 0.3


def test_contributions_of_a_young_ranker_add_up_to_its_scores():
    recommender, events, scratch = Recommender(new_state(RETURNING), RETURNING), returning(60), new_scratch()
    recommender.learn_events(events, [event.timestamp for event in events])
    past = [events[-1].item_id, next(each.item_id for each in events if each.item_id != events[-1].item_id)]
    recommender.rank(past, [START + 2400, START + 2300], [0, 3], START + 2500, scratch=scratch)
    places = np.arange(scratch.listed.counts[0])
    values, weights = explained(scratch, places)
    expected = scratch.listed.scores[dim.RANKER, places]
    assert values @ weights == pytest.approx(expected, abs=1e-3)
    assert np.count_nonzero(values[:, -1]) == scratch.own.counts[0] == 2
