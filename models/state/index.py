"""Ids and their rows in, the rows of a request's ids out: beside the dict of a key space, where requests are answered.

A dict takes .5 microseconds for an id that was not asked for lately, of a million ids one: four reads, each of which
waits for the one before. An `Index` takes .05, as the reads of a request wait together
(models/kernels/core/hash_index.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from models.arrays import Array
from models.kernels.core.hash_index import find_all, insert, move, remove

LEAST: Final = 1_024
"""Slots of an empty index."""

LOAD: Final = 0.625
"""Share of the slots that is used at most: beyond it a search for an id that is not there looks at five and more. 16
bytes a slot, which is 26 to 51 an id."""

CHUNK: Final = 4_096
"""Ids hashed in one go, .3 ms, in which no request of this process is answered."""


class Index:
    """Rows by the 64-bit hash of their id, as Python hashes strings: SipHash with a key of the process's own.

    That two ids have one hash is not looked for. Among a million ids it happens once in 37 million processes, an id
    nobody knows meets a known one's hash once in 18 million million look-ups, and nobody without the key can bring it
    about. What it does: one item has another's score on a page. To compare the ids would be the read from memory that
    the index is there to save.

    >>> index = Index()
    >>> index.put(["tea", "mug"], [0, 1])
    >>> index.remove(["tea"], [0])
    >>> index.find(["mug", "tea"]).tolist()
    [1, -1]
    """

    def __init__(self) -> None:
        self._slots = np.zeros((LEAST, 2), np.int64)
        self._used = 0

    @property
    def nbytes(self) -> int:
        """Bytes allocated."""
        return self._slots.nbytes

    def put(self, keys: Sequence[str], rows: Sequence[int]) -> None:
        """Store the rows of keys that are not there."""
        self._grow(self._used + len(keys))
        for start in range(0, len(keys), CHUNK):
            part = slice(start, start + CHUNK)
            insert(self._slots, _hashes(keys[part]), np.array(rows[part], np.int64))
        self._used += len(keys)

    def remove(self, keys: Sequence[str], rows: Sequence[int]) -> None:
        """Forget keys, each of which is there with its row."""
        remove(self._slots, _hashes(keys), np.array(rows, np.int64))
        self._used -= len(keys)

    def find(self, keys: Sequence[str]) -> Array:
        """(n,) i32 rows, -1 for a key that is not there. Reads only, so several threads may ask at once."""
        rows = np.empty(len(keys), np.int32)
        find_all(self._slots, _hashes(keys), rows)
        return rows

    def _grow(self, needed: int) -> None:
        size = len(self._slots)
        while needed > LOAD * size:
            size *= 2
        if size > len(self._slots):
            wider = np.zeros((size, 2), np.int64)
            move(self._slots, wider)
            self._slots = wider


def _hashes(keys: Sequence[str]) -> Array:
    return np.fromiter(map(hash, keys), np.int64, len(keys))


__all__ = ["Index"]
