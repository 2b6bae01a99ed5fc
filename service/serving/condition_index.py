"""Finds the items that can meet a condition on a fact or attribute, in one vectorised pass.

Each item has 256 bits, of which every name and every name with its value sets two, chosen by hash (Bloom, CACM 1970):
an item that lacks one of a condition's bits does not meet it. With ten attributes 2 % of the others pass by chance.
Numbers have columns of their own, so that they can be compared. Together at most 160 bytes an item.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
"""Names with values whose bits are remembered, some 4 MB: a shop's categories and brands come again and again, and to
hash them took a third of the time in which a service that starts reads its catalogue."""

NAMES: Final = 1_024
"""The same for names without a value, and for what requests ask for."""

NUMERIC: Final = 16
"""Names that have a column of numbers, the first that occur. Others are compared one by one."""


PRICE: Final = "price"


class ConditionIndex:
    """The bits and numbers of every item, by row. The caller holds a lock."""

    def __init__(self) -> None:
        self._bits = np.zeros((1024, WORDS), "<u8")
        # Every price has its place in a column and no bits: a shop has nearly as many prices as items.
        self._numbers: dict[str, Array] = {PRICE: np.full(1024, np.nan)}
        self._categories, self._brands = _BitsOf("category"), _BitsOf("brand")

    def put(self, rows: Array, facts: Sequence[ItemFacts]) -> None:
        """Set the facts of items, one at least, each at its row (n,)."""
        self._grow(int(rows.max()))
        for column in self._numbers.values():
            column[rows] = np.nan
        self._numbers[PRICE][rows] = [np.nan if each.price is None else each.price for each in facts]
        # Most items have these and no others: all at once they take a fifth of a loop over names.
        found = self._categories.of([each.category for each in facts])
        found |= self._brands.of([each.brand for each in facts])
        numbers: dict[str, dict[int, float]] = {}
        for place, each in enumerate(facts):
            if each.attributes is not None or each.tags or each.rating is not None or each.group_id is not None:
                marked = 0
                for name, value in _others(each):
                    if isinstance(value, int | float) and not isinstance(value, bool):
                        numbers.setdefault(name, {})[int(rows[place])] = value
                    marked |= bits(name)
                    for word in words(value):
                        marked |= bits_of_both(name, word)
                found[place] |= _as_words(marked.to_bytes(BYTES, "little"))[0]
        self._bits[rows] = found
        for name, noted in numbers.items():
            self._note(name, noted)

    def _grow(self, row: int) -> None:
        while row >= len(self._bits):
            self._bits = np.concatenate([self._bits, np.zeros_like(self._bits)])
            for name, column in self._numbers.items():
                self._numbers[name] = np.concatenate([column, np.full(len(column), np.nan)])

    def _note(self, name: str, noted: dict[int, float]) -> None:
        column = self._numbers.get(name)
        if column is None and len(self._numbers) < NUMERIC:
            column = self._numbers[name] = np.full(len(self._bits), np.nan)
        if column is not None:
            column[[*noted]] = [*noted.values()]

    def fitting(self, rows: Array, condition: Condition) -> Array:
        """(n,) bool: which of the rows (n,) can meet a condition."""
        column = self._numbers.get(condition.name)
        if condition.name == PRICE and condition.sign == ":":
            priced: Array = self._numbers[PRICE][rows] == (np.nan if condition.bound is None else condition.bound)
            return priced
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


class _BitsOf(dict[str | None, bytes]):
    """The bits of one name with each of its values, as bytes; none for None. Thousands are remembered."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def __missing__(self, value: str | None) -> bytes:
        if len(self) >= REMEMBERED:
            self.clear()
        marked = 0 if value is None else bits(self._name) | bits(self._name, value)
        found = self[value] = marked.to_bytes(BYTES, "little")
        return found

    def of(self, values: Sequence[str | None]) -> Array:
        """(n, WORDS) u8: the bits of n values."""
        return _as_words(b"".join(map(self.__getitem__, values)))


def _as_words(joined: bytes) -> Array:
    return np.frombuffer(bytearray(joined), "<u8").reshape(-1, WORDS)


def _others(facts: ItemFacts) -> Iterator[tuple[str, str | float | bool | list[str] | tuple[str, ...]]]:
    """The other facts that a condition can be about, and the attributes, by their names there."""
    if facts.group_id is not None:
        yield "group_id", facts.group_id
    if facts.tags:
        yield "tags", facts.tags
    if facts.rating is not None:
        yield "rating", facts.rating
    if facts.attributes is not None:
        for name, value in facts.attribute_values().items():
            yield f"{OF_ATTRIBUTE}{name}", value


@lru_cache(maxsize=REMEMBERED)
def bits_of_both(name: str, word: str) -> int:
    """The bits of a name, and of the name with that value."""
    return bits(name) | bits(name, word)


@lru_cache(maxsize=NAMES)
def bits(name: str, word: str | None = None) -> int:
    """Two of 256 bits, for a name or for a name with a value; the same for all ways to write a number.

    >>> bits("attributes.size", "42") == bits("attributes.size", "42.0") != bits("attributes.size")
    True
    """
    text = name if word is None else f"{name}\0{canonical(word)}"
    digest = xxhash.xxh3_64_intdigest(text.encode())
    return 1 << (digest & 255) | 1 << (digest >> 8 & 255)


__all__ = ["ConditionIndex", "bits"]
