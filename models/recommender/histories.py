"""The history that a user had at each event of a batch, also after the batch was learned. Stage 3.

A frozen model is asked about an event after the learner has learned the whole batch, and must know no more and no less
than the learner knew at that event. The ring of a user holds 128 events by then, later ones among them, and those that
they overwrote are gone. So they are noted before the batch is learned.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models import dimensions as dim
from models.arrays import Array
from models.recommender.types import EventBatch
from models.state import State, rings


class AskedAt(NamedTuple):
    """An event, and the history of its user at that moment, newest first. Row numbers are the learner's."""

    items: Array  # (n,) i32
    times: Array  # (n,) i64
    kinds: Array  # (n,) u8
    now: int  # epoch seconds
    item: int  # row of the event's item
    query: int = -1  # row of the search in force, -1 for none


class Overwritten(NamedTuple):
    """What each event of a batch finds in its user's ring, one element per event; 0 for an event without history."""

    items: Array  # (n,) i32 row, in the place that the event takes
    dids: Array  # (n,) u2: its type and the pause before it (models/state/rings.py), likewise
    newest: Array  # (n,) i64 epoch second of the newest entry of that ring
    opens: Array  # (n,) bool: whether the event before it of the same user has another second
    before: Array  # (n,) i64 epoch second of the event before it of the same user, -1 without one or for a search


def enters_history(batch: EventBatch) -> Array:
    """Tell which events of a batch enter their user's ring, (n,) bool."""
    entering: Array = (batch.item >= 0) & (batch.kind != dim.SEARCH) & (batch.kind != dim.IMPRESSION)
    return entering


def overwritten(state: State, batch: EventBatch) -> Overwritten:
    """Note what the events of a batch are about to overwrite. Call it before the batch is learned.

    `opens` tells the lines of an order apart. They come as several events of one user and one second: the shop asked
    for a page once, before the first of them, and what the others show was decided together with it.

    Args:
        state: The learner's state, before it learns the batch.
        batch: The batch.
    """
    ring, count = state.private.user_ring, len(batch.user)
    found = Overwritten(
        np.zeros(count, ring.item.dtype),
        np.zeros(count, ring.did.dtype),
        np.zeros(count, np.int64),
        np.ones(count, np.bool_),
        np.full(count, -1, np.int64),
    )
    places = np.flatnonzero(enters_history(batch))
    if not len(places):
        return found
    places = places[np.argsort(batch.user[places], kind="stable")]
    users, seconds = batch.user[places].astype(np.int64), batch.time[places].astype(np.int64)
    first = np.concatenate([[True], users[1:] != users[:-1]])
    starts = np.flatnonzero(first)
    turn = np.arange(len(places)) - np.repeat(starts, np.diff(np.append(starts, len(places))))
    pushed = state.private.user.pushed[users].astype(np.int64)
    at = users * dim.RING + (pushed + turn) % dim.RING
    newest = state.private.user.newest[users].astype(np.int64)
    found.items[places], found.dids[places], found.newest[places] = ring.item[at], ring.did[at], newest
    before = np.where(first, np.where(pushed > 0, newest, -1), np.roll(seconds, 1))
    found.opens[places], found.before[places] = before != seconds, before
    return found


def recall(state: State, batch: EventBatch, found: Overwritten, place: int) -> AskedAt:
    """Recall the moment before an event of a batch that has just been learned.

    Args:
        state: The learner's state, right after it learned the batch.
        batch: The batch.
        found: What its events overwrote.
        place: Place of the event in the batch.
    """
    user, ring = int(batch.user[place]), state.private.user_ring
    own = np.flatnonzero((batch.user == user) & enters_history(batch))  # (own,)
    earlier = int(np.searchsorted(own, place))
    begun = int(state.private.user.pushed[user]) - len(own)
    # Events of the user are numbered from the very first: those from `begun` on are of this batch.
    number = begun + earlier - 1 - np.arange(min(begun + earlier, dim.RING))
    at = user * dim.RING + number % dim.RING
    # The types are those of a request: for any others the kernel would be compiled again, and the learner would stop
    # for half a minute. Indexing by an array copies, which is needed because learning goes on writing to the ring.
    items, dids = ring.item[at], ring.did[at]
    # What the events before this one wrote, which later ones may have overwritten.
    moments, done = batch.time[own[:earlier]].astype(np.int64), batch.kind[own[:earlier]].astype(np.int64)
    if begun:
        newest = found.newest[own[0]] if len(own) else state.private.user.newest[user]
        moments, done = np.insert(moments, 0, newest), np.insert(done, 0, 0)
    written = rings.dids(moments, done)
    in_batch = number >= begun
    source = number[in_batch] - begun
    items[in_batch], dids[in_batch] = batch.item[own[source]], written[len(written) - earlier :][source]
    gone = ~in_batch & (number + dim.RING < begun + len(own))
    source = own[number[gone] + dim.RING - begun]
    items[gone], dids[gone] = found.items[source], found.dids[source]
    seconds, kinds = rings.times(moments.max(initial=0), rings.pauses(dids)), rings.kinds(dids)
    return AskedAt(items, seconds, kinds, int(batch.time[place]), int(batch.item[place]), int(batch.query[place]))


__all__ = ["AskedAt", "Overwritten", "enters_history", "overwritten", "recall"]
