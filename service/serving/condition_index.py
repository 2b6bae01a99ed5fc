"""Finds the items that can meet a condition on a fact or attribute, in one vectorised pass.

Each item has 256 bits, of which every name and every name with its value sets two, chosen by hash (Bloom, CACM 1970):
an item that lacks one of a condition's bits does not meet it. With ten attributes 2 % of the others pass by chance.
Numbers have columns of their own, so that they can be compared. Together at most 160 bytes an item.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

import numpy as np
import xxhash

from models.arrays import Array
from models.records import ItemFacts
from models.slate import OF_ATTRIBUTE, Condition, canonical, words

WORDS: Final = 4
"""64-bit words of the bits of an item."""

BYTES: Final = 8 * WORDS

REMEMBERED: Final = 16_384
"""Names and values whose bits are remembered, some 4 MB: a shop's categories, brands and prices come again and again,
and to hash them took a third of the time in which a service that starts reads its catalogue."""

NUMERIC: Final = 16
"""Names that have a column of numbers, the first that occur. Others are compared one by one."""

_FACTS: Final = ("category", "brand", "group_id")


class ConditionIndex:
    """The bits and numbers of every item, by row. The caller holds a lock."""

    def __init__(self) -> None:
        self._set_bits(np.zeros((1024, WORDS), "<u8"))
        self._numbers: dict[str, Array] = {}

    def _set_bits(self, bits: Array) -> None:
        self._bits = bits  # (rows, WORDS)
        # The same memory as bytes: a row is written ten times as fast as by way of numpy.
        self._bytes = bits.data.cast("B")

    def put(self, row: int, facts: ItemFacts) -> None:
        """Set the facts of an item."""
        if row >= len(self._bits):
            self._set_bits(np.concatenate([self._bits, np.zeros_like(self._bits)]))
            for name, column in self._numbers.items():
                self._numbers[name] = np.concatenate([column, np.full(len(column), np.nan)])
        for column in self._numbers.values():
            column[row] = np.nan
        found = 0
        for name, value in _values(facts):
            found |= bits(name)
            if isinstance(value, int | float) and not isinstance(value, bool):
                self._note(name, row, value)
            for word in words(value):
                found |= bits(name, word)
        self._bytes[BYTES * row : BYTES * (row + 1)] = found.to_bytes(BYTES, "little")

    def _note(self, name: str, row: int, value: float) -> None:
        column = self._numbers.get(name)
        if column is None and len(self._numbers) < NUMERIC:
            column = self._numbers[name] = np.full(len(self._bits), np.nan)
        if column is not None:
            column[row] = value

    def fitting(self, rows: Array, condition: Condition) -> Array:
        """(n,) bool: which of the rows (n,) can meet a condition."""
        column = self._numbers.get(condition.name)
        if condition.sign != ":" and column is not None and condition.bound is not None:
            found = column[rows]
            below = condition.sign.startswith("<")
            fits = found < condition.bound if below else found > condition.bound
            return fits | (found == condition.bound) if condition.sign.endswith("=") else fits
        needed = bits(condition.name, condition.value) if condition.sign == ":" else bits(condition.name)
        fits = np.ones(len(rows), bool)
        for at in range(WORDS):
            word = np.uint64((needed >> 64 * at) & 0xFFFF_FFFF_FFFF_FFFF)
            if word:
                fits &= (self._bits[rows, at] & word) == word
        return fits


def _values(facts: ItemFacts) -> Iterator[tuple[str, str | float | bool | list[str] | tuple[str, ...]]]:
    """The facts and attributes that a condition can be about, by their names there."""
    for name in _FACTS:
        if (fact := getattr(facts, name)) is not None:
            yield name, fact
    if facts.tags:
        yield "tags", facts.tags
    for name in ("price", "rating"):
        if (number := getattr(facts, name)) is not None:
            yield name, number
    if facts.attributes:
        for name, value in facts.attribute_values().items():
            yield f"{OF_ATTRIBUTE}{name}", value


@lru_cache(maxsize=REMEMBERED)
def bits(name: str, word: str | None = None) -> int:
    """Two of 256 bits, for a name or for a name with a value; the same for all ways to write a number.

    >>> bits("attributes.size", "42") == bits("attributes.size", "42.0") != bits("attributes.size")
    True
    """
    text = name if word is None else f"{name}\0{canonical(word)}"
    digest = xxhash.xxh3_64_intdigest(text.encode())
    return 1 << (digest & 255) | 1 << (digest >> 8 & 255)


__all__ = ["ConditionIndex", "bits"]
