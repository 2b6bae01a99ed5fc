"""What is bought together against its slow twin, and that nothing else enters it."""

from __future__ import annotations

import numpy as np
import pytest

from models import dimensions as dim
from models.recommender import Recommender, RecommenderOptions, new_state
from tests import naive
from tests.support.streams.shop import START, ShopEvent

OPTIONS = RecommenderOptions(items=60, users=20, categories=4, brands=4)


def learned(events):
    recommender = Recommender(new_state(OPTIONS), OPTIONS)
    recommender.learn_events(events, [event.timestamp for event in events])
    return recommender.state


def event(user, item, when, kind=dim.PURCHASE):
    return ShopEvent(kind, f"user{user}", f"i{item}", START + when)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_memory_of_orders_is_that_of_its_twin(seed):
    random = np.random.default_rng(seed)
    events, when = [], 0
    for _ in range(600):
        when += int(random.choice([0, 0, 1, 30, 61, 500]))
        kind = int(random.choice([dim.CLICK, dim.CART, dim.PURCHASE, dim.PURCHASE, dim.PURCHASE]))
        events.append(event(int(random.integers(4)), int(random.zipf(1.4) % 40), when, kind))
    state = learned(events)
    memories, totals = naive.retrieval.baskets([(e.user_id, e.item_id, int(e.timestamp), e.kind) for e in events])
    rows = state.keys["item"].rows
    assert memories
    for item, memory in memories.items():
        found = naive.retrieval.row(state.served.basket_memory, rows[item], dim.BASKET_SLOTS)
        assert found == pytest.approx({rows[other]: count for other, count in memory.pairs}), item
        assert state.served.basket_totals.pairs[rows[item]] == totals[item]
    assert sum(totals.values()) == state.served.basket_totals.pairs.sum()


def test_clicks_other_users_and_the_next_order_make_no_pair():
    state = learned([
        event(1, 1, 0), event(1, 2, 10, dim.CART), event(2, 3, 10), event(1, 4, dim.ORDER_SPAN + 1), event(1, 4, 62),
    ])  # fmt: skip
    assert not state.served.basket_totals.pairs.any()


def test_lines_of_one_order_are_pairs_in_both_directions():
    state = learned([event(1, 1, 0), event(1, 2, 0), event(1, 3, dim.ORDER_SPAN)])
    rows = state.keys["item"].rows
    for item in ("i1", "i2", "i3"):
        others = {rows[other]: 1.0 for other in rows if other != item}
        assert naive.retrieval.row(state.served.basket_memory, rows[item], dim.BASKET_SLOTS) == others
