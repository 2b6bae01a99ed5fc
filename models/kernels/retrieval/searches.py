"""A search in, the items taken after it out: a bounded memory from queries to items.

A search without an item waits: items that the same user takes within a session count as found by it.
"""

import numpy as np

from models.dimensions import QUERY_SLOTS, SESSION_GAP
from models.kernels.core.compile import kernel
from models.kernels.core.marks import mark
from models.kernels.retrieval.co_visitation import add, fade


@kernel
def in_force(pending, given, user, second):
    """The query that led to an event: its own, or the user's last search if it is of this session; -1 for none."""
    if given >= 0:
        return np.int64(given)
    query = np.int64(pending.query[user])
    return query if query >= 0 and abs(second - np.int64(pending.time[user])) <= SESSION_GAP else np.int64(-1)


@kernel
def wait(pending, user, query, second):
    """Remember a search until something is taken."""
    pending.query[user] = query
    pending.time[user] = second
    mark(pending.marks, user)


@kernel
def touch(stats, query, second):
    """Note the use of a query: the one unused for longest is evicted first."""
    stats.last[query] = max(stats.last[query], second)
    mark(stats.marks, query)


@kernel
def learn(memory, stats, query, item, weight, event):
    """Add an item that was taken after a query, at event number `event`."""
    add(memory.other, memory.count, memory.marks, query, QUERY_SLOTS, item, weight, event)
    stats.total[query] += weight
    fade(memory.count, memory.marks, stats.total, query, QUERY_SLOTS)
    mark(stats.marks, query)
