"""An order and the model in, the order carried out and what came of it out. Stage 4."""

from __future__ import annotations

import numpy as np

from models import dimensions as dim
from models.ledger.erasures import Receipt
from models.recommender.recommender import Recommender
from models.records.control import Erase


def erase(order: Erase, at: float, dedupe_entries: int, recommender: Recommender) -> Receipt:
    """Forget the user: the row, the ring of interactions, the search under way. What items learnt of them stays.

    It depends on nothing but the state and the record, so that learnt again after a crash it does the same.
    """
    state = recommender.state
    row = state.keys["user"].rows.get(order.user, -1)
    ring = state.tables["user_ring"].columns["item"][max(row, 0) * dim.RING : (row + 1) * dim.RING]
    interactions = int(np.count_nonzero(ring >= 0))
    found = recommender.remove("user", [order.user])
    return Receipt(order.id, at, found, interactions, dedupe_entries)


__all__ = ["erase"]
