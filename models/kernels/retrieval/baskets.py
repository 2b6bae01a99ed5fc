"""A purchase and those just before it in, the memory of what is bought in the same order out."""

from models.dimensions import BASKET_SLOTS, ORDER_SPAN, PURCHASE
from models.kernels.core.compile import kernel
from models.kernels.core.marks import mark
from models.kernels.retrieval.co_visitation import add, fade


@kernel
def learn(memory, totals, past, item, second):
    """Count the pairs that a purchased item makes with the other lines of its order, in both directions.

    past: the user's last events, newest first, of which those that are purchases and near enough in time are the order.
    An order's lines beyond the length of `past` make no pairs with its first ones.
    """
    for q in range(past.counts[0]):
        other = past.items[q]
        if past.kinds[q] == PURCHASE and other != item and abs(second - past.times[q]) <= ORDER_SPAN:
            _count(memory, totals, other, item)
            _count(memory, totals, item, other)


@kernel
def _count(memory, totals, row, item):
    add(memory.other, memory.count, memory.marks, row, BASKET_SLOTS, item, 1.0)
    totals.pairs[row] += 1
    fade(memory.count, memory.marks, totals.pairs, row, BASKET_SLOTS)
    mark(totals.marks, row)
