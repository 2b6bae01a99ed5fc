"""Prepared batches in, a model that has learned them out. Stages 2 to 4.

The learner, a rebuild, the replay of a quarantine and the replay of a past stream all learn by this code, so the same
records make the same model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from models import dimensions as dim
from models.ledger import Progress, Receipt
from models.recommender import Recommender
from models.records import Erase, Identify
from streaming.intake import Ordered, PreparedBatch
from streaming.learning.model import Model

CarryOut: TypeAlias = Callable[[Ordered, Model], None]
"""Carries out one order on a model."""

LearnEvents: TypeAlias = Callable[[PreparedBatch, Model], None]
"""Lets a model learn the events of one batch, of which there is at least one."""


def about_users(ordered: Ordered, model: Model) -> None:
    """Carry out an erasure or a join; other orders concern the live model alone and are passed over."""
    if isinstance(ordered.order, Erase):
        erase(ordered, ordered.order, model.recommender)
    elif isinstance(ordered.order, Identify):
        join(ordered, model.recommender)


def learn_events(batch: PreparedBatch, model: Model) -> None:
    """Learn the events of a batch, in order."""
    catalogue = model.catalogue
    model.recommender.learn_events(batch.events, batch.record_times, catalogue.facts, groups=catalogue.groups)


def learn_batch(
    model: Model, batch: PreparedBatch, carry_out: CarryOut = about_users, learn_events: LearnEvents = learn_events
) -> None:
    """Apply a batch to a model: its orders, then its item facts, then its events. Progress stays where it is.

    Args:
        model: Changed in place; an order may replace its recommender.
        batch: The next records of the stream. The number of its events is added to its outcomes, as `learnt`.
        carry_out: What an order does.
        learn_events: How the events are learned, for a caller that compares or measures.
    """
    for ordered in batch.orders:
        carry_out(ordered, model)
    if batch.facts:
        model.catalogue.take(model.recommender, batch.facts, batch.contents)
    if batch.events:
        learn_events(batch, model)
        batch.outcomes["learnt"] = len(batch.events)


def advance(progress: Progress, batch: PreparedBatch) -> None:
    """Count every record of a batch that was learned: its offset and its outcome."""
    for topic, partition, offsets, record_time in batch.offsets:
        progress.advance(topic, partition, offsets, record_time)
    for outcome, count in batch.outcomes.items():
        progress.count(outcome, count)
    progress.spread += batch.spread
    progress.arrivals, progress.erasures, progress.identities = batch.arrivals, batch.erasures, batch.identities


def join(ordered: Ordered, recommender: Recommender) -> str:
    """Add what the joined ids did to their user, and free their rows; the outcome of the order.

    The items keep what they learned when the ids were still apart. As an erasure, it depends on the state and the
    record alone.
    """
    joined = ordered.joined
    if joined is None:
        return ""
    recommender.join(joined.ids, joined.user)
    return joined.outcome


def erase(ordered: Ordered, order: Erase, recommender: Recommender) -> Receipt:
    """Remove a user's row, ring of interactions and search under way. What items learned from the user stays.

    The result depends on the state and the record alone, so an erasure that is carried out again after a crash does
    the same.

    Args:
        ordered: When, which ids the person has, and how many entries of the dedupe window were removed.
        order: The user to erase.
        recommender: Changed in place.
    """
    state, users = recommender.state, ordered.users or (order.user,)
    rows = [row for user in users if (row := state.keys["user"].rows.get(user, -1)) >= 0]
    ring = state.tables["user_ring"].columns["item"]
    interactions = sum(int(np.count_nonzero(ring[row * dim.RING : (row + 1) * dim.RING] >= 0)) for row in rows)
    removed = recommender.remove("user", users)
    return Receipt(order.id, ordered.at, removed, interactions, ordered.dedupe_entries)


__all__ = ["about_users", "advance", "erase", "join", "learn_batch", "learn_events"]
