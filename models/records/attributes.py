"""Fields of an item that are no facts in; the shop's own attributes, checked and bounded, out.

Stage 1. A value is a string, a number, true or false, or a list of strings. An attribute never refuses its item: one
that cannot be used is left out, by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

Value = str | int | float | bool | list[str]

MOST_ATTRIBUTES: Final = 64
"""Most attributes of an item."""

NAME_LENGTH: Final = 64
"""Characters of a name."""

TEXT_LENGTH: Final = 2_048
"""Characters of a string: the longest address that every browser takes."""

LIST_LENGTH: Final = 64
"""Strings of a list, each of at most ENTRY_LENGTH characters."""

ENTRY_LENGTH: Final = 256

MAX_ATTRIBUTE_BYTES: Final = 4_096
"""Bytes of all attributes of an item as JSON. Every service holds those of the whole catalogue: 410 MB
for 100,000 items at worst, and 23 MB with an address, a picture and four short values each."""

EXACT: Final = 2**53
"""Size of a number at most: beyond it, JSON readers differ."""


class Attributes:
    """The attributes of one item, as the bytes of a JSON object: 230 bytes where a dict would take 560.

    >>> found, left_out = checked({"url": "https://shop.example/tea", "stock": 3, "sizes": {"s": 1}})
    >>> found.values(), left_out
    ({'url': 'https://shop.example/tea', 'stock': 3}, ['sizes'])
    """

    __slots__ = ("_json",)

    def __init__(self, json: bytes = b"{}") -> None:
        self._json = json

    def values(self) -> dict[str, Value]:
        """The value of each attribute."""
        return _decode(self._json)

    def as_json(self) -> bytes:
        """A JSON object."""
        return self._json

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Attributes) and self._json == other._json

    def __hash__(self) -> int:
        return hash(self._json)

    def __repr__(self) -> str:
        return f"Attributes({self.values()})"


_decode: Final = msgspec.json.Decoder(dict[str, Value]).decode
_encode: Final = msgspec.json.Encoder().encode


def checked(sent: Mapping[Any, Any]) -> tuple[Attributes | None, list[str]]:
    """The attributes that can be used, None for none, and the names of the others. Null and what is empty is no value.

    >>> checked({"colour": "red", "size": None, "sold": float("nan")})
    (Attributes({'colour': 'red'}), ['sold'])
    """
    kept: dict[str, Value] = {}
    left_out: list[str] = []
    size = 1
    for name, value in sent.items():
        if value is None or (isinstance(value, str | list) and not value):
            continue
        if not _usable(name, value) or len(kept) == MOST_ATTRIBUTES:
            left_out.append(str(name)[:NAME_LENGTH])
            continue
        more = len(_encode({name: value}))  # braces here, colon and comma there
        if size + more > MAX_ATTRIBUTE_BYTES:
            left_out.append(name)
            continue
        kept[name] = value
        size += more - 1
    return (Attributes(_encode(kept)) if kept else None), left_out


def _usable(name: Any, value: Any) -> bool:
    if not isinstance(name, str) or not 1 <= len(name) <= NAME_LENGTH or not name.isprintable():
        return False
    if isinstance(value, bool):
        return True
    if isinstance(value, int | float):
        return abs(value) <= EXACT
    if isinstance(value, str):
        return len(value) <= TEXT_LENGTH and _is_text(value)
    return (
        isinstance(value, list)
        and len(value) <= LIST_LENGTH
        and all(isinstance(entry, str) and len(entry) <= ENTRY_LENGTH and _is_text(entry) for entry in value)
    )


def _is_text(text: str) -> bool:
    """Whether text can be written as UTF-8: half of a surrogate pair cannot."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def from_json(kind: type, document: Any) -> Attributes:
    """Attributes that were checked before, for a decoder of msgspec (`dec_hook`)."""
    if kind is not Attributes or not isinstance(document, dict):
        raise TypeError(f"no {kind.__name__} can be made of this")
    return Attributes(_encode(document))


def to_json(value: Any) -> msgspec.Raw:
    """Attributes as JSON, for an encoder of msgspec (`enc_hook`)."""
    if not isinstance(value, Attributes):
        raise NotImplementedError(f"{type(value).__name__} has no form in JSON")
    return msgspec.Raw(value.as_json())


__all__ = [
    "MAX_ATTRIBUTE_BYTES",
    "MOST_ATTRIBUTES",
    "NAME_LENGTH",
    "TEXT_LENGTH",
    "Attributes",
    "Value",
    "checked",
    "from_json",
    "to_json",
]
