"""Hashes of ids in, their rows out: an open-addressing map for many look-ups at once.

A look-up in a map of a million ids waits for memory, some 80 ns where the map does not fit the cache. Here the look-ups
of a whole request wait together: every slot is prefetched before the first is read, and hash and row share a cache
line.
"""

from models.kernels.core.compile import entry, kernel, prefetch

HASH, ROW = 0, 1  # of a slot: the id's hash, and its row plus one, 0 where the slot is free
_AHEAD = 16  # slots between prefetch and read: as many cache lines as a core waits for at once


@entry
def insert(slots, hashes, rows):
    """Store rows (n,) for hashes (n,) i64. slots: (2**m, 2) i64, never full."""
    count, mask = hashes.shape[0], slots.shape[0] - 1
    for at in range(count):
        if at + _AHEAD < count:
            prefetch(slots, hashes[at + _AHEAD] & mask, 0)
        _insert(slots, hashes[at], rows[at] + 1)


@kernel
def _insert(slots, hashed, value):
    mask = slots.shape[0] - 1
    at = hashed & mask
    while slots[at, ROW] != 0:
        at = (at + 1) & mask
    slots[at, HASH] = hashed
    slots[at, ROW] = value


@entry
def remove(slots, hashes, rows):
    """Remove rows (n,), stored for hashes (n,); pairs that are not stored are skipped."""
    mask = slots.shape[0] - 1
    for each in range(hashes.shape[0]):
        at = hashes[each] & mask
        while slots[at, ROW] != 0 and (slots[at, ROW] != rows[each] + 1 or slots[at, HASH] != hashes[each]):
            at = (at + 1) & mask
        if slots[at, ROW] != 0:
            _close(slots, at)


@kernel
def _close(slots, gap):
    """Free a slot and move up those behind it that would no longer be found (Knuth, TAOCP 3, algorithm 6.4R)."""
    mask = slots.shape[0] - 1
    at = gap
    while True:
        at = (at + 1) & mask
        if slots[at, ROW] == 0:
            break
        home = slots[at, HASH] & mask
        if ((at - home) & mask) >= ((at - gap) & mask):
            slots[gap, HASH] = slots[at, HASH]
            slots[gap, ROW] = slots[at, ROW]
            gap = at
    slots[gap, ROW] = 0


@entry
def find_all(slots, hashes, out):
    """out[i] = the row stored for hashes[i], -1 for none; reads only."""
    mask = slots.shape[0] - 1
    for at in range(hashes.shape[0]):
        prefetch(slots, hashes[at] & mask, 0)
    for at in range(hashes.shape[0]):
        out[at] = _find(slots, hashes[at], mask)


@kernel
def _find(slots, hashed, mask):
    at = hashed & mask
    while slots[at, ROW] != 0:
        if slots[at, HASH] == hashed:
            return slots[at, ROW] - 1
        at = (at + 1) & mask
    return -1


@entry
def move(slots, wider):
    """Store all pairs of `slots` in another, empty map."""
    for at in range(slots.shape[0]):
        if slots[at, ROW] != 0:
            _insert(wider, slots[at, HASH], slots[at, ROW])
