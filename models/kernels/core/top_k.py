"""Scores in, the places of the best k out, best first, without sorting the rest.

A heap of the k best seen with its smallest on top: an element that does not beat the top costs one comparison.
Ties keep the element that came first.
"""

from models.kernels.core.compile import kernel


@kernel
def offer(heap, keys, count, size, place, key):
    """Offer (place, key) to a heap of at most `size`; returns the new count. heap: i32, keys: f32, smallest on top."""
    if count < size:
        heap[count] = place
        keys[count] = key
        _up(heap, keys, count)
        return count + 1
    if key > keys[0]:
        heap[0] = place
        keys[0] = key
        _down(heap, keys, count)
    return count


@kernel
def _before(heap, keys, a, b):
    # Whether a is worse than b: smaller, or equal and later.
    return keys[a] < keys[b] or (keys[a] == keys[b] and heap[a] > heap[b])


@kernel
def _swap(heap, keys, a, b):
    heap[a], heap[b] = heap[b], heap[a]
    keys[a], keys[b] = keys[b], keys[a]


@kernel
def _up(heap, keys, at):
    while at > 0 and _before(heap, keys, at, (at - 1) // 2):
        _swap(heap, keys, at, (at - 1) // 2)
        at = (at - 1) // 2


@kernel
def _down(heap, keys, count):
    at = 0
    while True:
        least = at
        for child in (2 * at + 1, 2 * at + 2):
            if child < count and _before(heap, keys, child, least):
                least = child
        if least == at:
            return
        _swap(heap, keys, at, least)
        at = least


@kernel
def finish(heap, keys, count):
    """Put a heap into order, best first."""
    for last in range(count - 1, 0, -1):
        _swap(heap, keys, 0, last)
        _down(heap, keys, last)
