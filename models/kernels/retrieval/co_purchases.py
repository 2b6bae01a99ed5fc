"""A purchase and those just before it in, the pairs that are bought in the same order out.

Pairs stand in buckets of a few slots, chosen by the row of their owner. A pair that finds its bucket full takes one off
the smallest count there, and the place when nothing is left (after Misra and Gries, Science of Computer Programming
1982): so a count is never more than the number of orders.
"""

from models.dimensions import BASKET_SLOTS, BASKETS, ORDER_SPAN, PURCHASE, REMEMBERED
from models.kernels.core.compile import kernel
from models.kernels.core.marks import mark


@kernel
def learn(pairs, past, item, second):
    """Count the pairs that a purchased item makes with the other lines of its order, in both directions.

    past: the user's last events, newest first, of which those that are purchases and near enough in time are the order.
    An order's lines beyond the length of `past` make no pairs with its first ones.
    """
    for q in range(past.counts[0]):
        other = past.items[q]
        if past.kinds[q] == PURCHASE and other != item and abs(second - past.times[q]) <= ORDER_SPAN:
            count(pairs, other, item)
            count(pairs, item, other)


@kernel
def count(pairs, owner, other):
    """Count one order for the pair (owner, other)."""
    start = (owner % BASKETS) * BASKET_SLOTS
    place, least = start, REMEMBERED
    for at in range(start, start + BASKET_SLOTS):
        if pairs.owner[at] == owner and pairs.other[at] == other:
            pairs.count[at] += 1
            mark(pairs.marks, at)
            if pairs.count[at] >= REMEMBERED:
                _halve(pairs, start)
            return
        held = pairs.count[at] if pairs.owner[at] >= 0 and pairs.other[at] >= 0 else 0.0
        if held < least:
            place, least = at, held
    if least > 1:
        pairs.count[place] -= 1
    else:
        pairs.owner[place] = owner
        pairs.other[place] = other
        pairs.count[place] = 1
    mark(pairs.marks, place)


@kernel
def _halve(pairs, start):
    for at in range(start, start + BASKET_SLOTS):
        pairs.count[at] *= 0.5
        mark(pairs.marks, at)
