"""Items that entered the pool at some learner, let into the coordinator's."""

from models.kernels.core.compile import entry
from models.kernels.retrieval.pool import enter


@entry
def enter_all(pool, clock, slots, keys, items, random):
    """`enter` for every one of items (n,) i32, in their order."""
    for at in range(items.shape[0]):
        enter(pool, clock, slots, keys, items[at], random)
