"""Feature names in, row numbers out. Rows are bounded: beyond the bound, the oldest of a few gives way. Stage 2.

A number keeps its own name; a string is one of many categories, and its name is the pair (name, string), so that
``{"a": "b_c"}`` and ``{"a_b": "c"}`` are two features.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from typing import Any, Final

import xxhash

from models.arrays import Array

PROBES: Final = 8
"""Rows compared when one has to give way. On average the oldest of eight is in about the oldest tenth of
a full table."""

NOT_A_NUMBER: Final = float("nan")


def features(x: Mapping[Hashable, Any]) -> tuple[list[Hashable], list[float]]:
    """Return keys and values of an example's features, in its order. A value that is no string or number becomes NaN.

    >>> features({"city": "Ulm", "price": 3})
    ([('city', 'Ulm'), 'price'], [1.0, 3.0])
    """
    keys: list[Hashable] = []
    values: list[float] = []
    for name, value in x.items():
        if isinstance(value, str):
            keys.append((name, value))
            values.append(1.0)
        else:
            keys.append((name,) if isinstance(name, tuple) else name)
            values.append(value if type(value) is float else number(value))
    return keys, values


def is_category(key: Hashable) -> bool:
    """Whether a key stands for a string in a field. The key of a number whose name is a tuple is a tuple in a tuple.

    >>> [is_category(key) for key in features({"city": "Ulm", ("a", "b"): 1})[0]]
    [True, False]
    """
    return isinstance(key, tuple) and len(key) == 2


def number(value: Any) -> float:
    """Convert a value to a float; NaN if it is not a number."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return NOT_A_NUMBER


def seed_of(key: Hashable, seed: int) -> int:
    """Hash a name to a 64-bit seed: a row starts alike in any order of features."""
    return xxhash.xxh3_64_intdigest(repr(key).encode(), seed)


class FeatureRows:
    """Keeps the row of each feature. Apart from its name, a dict entry is the only Python object per feature.

    Args:
        ceiling: Most rows.
    """

    def __init__(self, ceiling: int) -> None:
        self.ceiling = ceiling
        self.rows: dict[Hashable, int] = {}
        self.keys: list[Hashable] = []
        self.evicted = 0
        self._hand = 0

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def full(self) -> bool:
        """Whether the next new feature takes the row of another."""
        return len(self.keys) >= self.ceiling

    def find(self, key: Hashable) -> int:
        """Return the row of a feature, -1 for an unknown one."""
        return self.rows.get(key, -1)

    def add(self, key: Hashable, stamps: Array, pinned: Collection[int]) -> int:
        """Give a new feature a row: an unused one, or the oldest of the next few.

        Args:
            key: The feature.
            stamps: When each row was last used, (rows,).
            pinned: Rows that must stay, those of the same example; a set, for it is asked for each row compared.

        Raises:
            ValueError: When all rows are pinned.
        """
        if not self.full:
            row = len(self.keys)
            self.keys.append(key)
        else:
            row = self._oldest(stamps, pinned)
            del self.rows[self.keys[row]]
            self.keys[row] = key
            self.evicted += 1
        self.rows[key] = row
        return row

    def _oldest(self, stamps: Array, pinned: Collection[int]) -> int:
        if len(pinned) >= self.ceiling:
            raise ValueError(f"an example has more than max_features={self.ceiling} features: allow more")
        best, probed, row, oldest = -1, 0, self._hand, float("inf")
        while probed < PROBES or best < 0:
            row = (row + 1) % self.ceiling
            probed += 1
            if row not in pinned and (stamp := stamps.item(row)) < oldest:
                best, oldest = row, stamp
        self._hand = row
        return best

    def put(self, keys: list[Hashable], hand: int, evicted: int) -> None:
        """Take over the names of another `FeatureRows`: both then hand out the same rows.

        Args:
            keys: The feature of each row, in order.
            hand: Where the other's next search begins.
            evicted: How many features the other has evicted.
        """
        self.keys, self._hand, self.evicted = list(keys), hand, evicted
        self.rows = {key: row for row, key in enumerate(keys)}

    @property
    def hand(self) -> int:
        """Row where the next search for an old one begins."""
        return self._hand
