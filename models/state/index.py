"""Finds the rows of a request's ids: a second map next to the dict of a key space, where requests are answered.

For an id out of a million that was not asked for recently, a dict takes 0.5 µs: four reads, each of which waits for the
one before. An `Index` takes 0.05 µs, because the reads of a request wait together (models/kernels/core/hash_index.py).
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
"""Largest share of used slots: beyond it a search for an unknown id looks at five slots and more. A slot is 16 bytes,
which makes 26 to 51 bytes an id."""

CHUNK: Final = 4_096
"""Ids hashed in one go, 0.3 ms, in which no request of this process is answered."""


class Index:
    """Rows by the 64-bit hash of their id, as Python hashes strings: SipHash with a key of the process's own.

    Two ids with one hash are not told apart. Among a million ids that happens once in 37 million processes; an unknown
    id meets a known one's hash once in 18 million million look-ups; and nobody without the key can bring it about. The
    effect: one item has another's score on a page. To compare ids would be the read from memory that the index saves.

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
        """Store the rows of new keys."""
        self._grow(self._used + len(keys))
        for start in range(0, len(keys), CHUNK):
            part = slice(start, start + CHUNK)
            insert(self._slots, _hashes(keys[part]), np.array(rows[part], np.int64))
        self._used += len(keys)

    def remove(self, keys: Sequence[str], rows: Sequence[int]) -> None:
        """Remove keys, each of which is stored with its row."""
        remove(self._slots, _hashes(keys), np.array(rows, np.int64))
        self._used -= len(keys)

    def find(self, keys: Sequence[str]) -> Array:
        """(n,) i32 rows, -1 for an unknown key. Reads only, so several threads may ask at once."""
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
