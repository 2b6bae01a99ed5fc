"""Integers in, slots or random numbers out: an open-addressing map of rows, and the one generator kernels use."""

import numpy as np

from models.kernels.core.compile import kernel

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


@kernel
def mix(value):
    """SplitMix64's finalizer (Steele, Lea, Flood, OOPSLA 2014): a u64 in, a well-mixed u64 out."""
    value = np.uint64(value)
    value = (value ^ (value >> np.uint64(30))) * _FIRST
    value = (value ^ (value >> np.uint64(27))) * _SECOND
    return value ^ (value >> np.uint64(31))


@kernel
def draw(random, bound):
    """The next number of the generator `random` (u64 array of one) below `bound`."""
    random[0] += _GOLDEN
    return np.int64(mix(random[0]) >> np.uint64(33)) % bound


@kernel
def share(seed, number, stream):
    """A number in [0, 1) that depends on its arguments alone, to pick a share of events."""
    value = mix(np.uint64(seed) + _GOLDEN * np.uint64(2 * number + stream + 1))
    return np.float64(value >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@kernel
def find(keys, slots, key):
    """The slot stored for `key`, or -1. keys: (2**m,) i32, -1 where free."""
    mask = keys.shape[0] - 1
    at = ((np.int64(key) * 2654435761) >> 12) & mask
    while keys[at] != -1:
        if keys[at] == key:
            return np.int64(slots[at])
        at = (at + 1) & mask
    return np.int64(-1)


@kernel
def put(keys, slots, key, slot):
    """Store `slot` for a new `key`. The map must not be full."""
    mask = keys.shape[0] - 1
    at = ((np.int64(key) * 2654435761) >> 12) & mask
    while keys[at] != -1:
        at = (at + 1) & mask
    keys[at] = key
    slots[at] = slot
