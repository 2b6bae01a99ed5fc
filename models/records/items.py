"""Key and value of a record of topic `items` in; `ItemFacts`, `Removed` or a `Rejection` out. Stage 1."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from models.records.content import content_vector
from models.records.events import has_control
from models.records.rejections import Rejection, describe, refusal, unparsable, unwrapped

MAX_ITEM_BYTES: Final = 262_144
"""Most bytes of an item record. An embedding of 4,096 numbers written out in full takes about 80 KB."""

_Short = Annotated[str, Meta(min_length=1, max_length=256)]

_EXPECTED: Final = {
    "category": "string of 1 to 256 characters",
    "price": "number from 0 to 1e12",
    "brand": "string of 1 to 256 characters",
    "title": "string of at most 1024 characters",
    "tags": "array of at most 64 strings of 1 to 256 characters",
    "rating": "finite number from -1e6 to 1e6",
    "available": "true or false",
    "embedding": "array of 1 to 4096 finite numbers",
}


# Not tracked by the garbage collector: strings and numbers make no cycles, and it would walk a whole catalogue.
class ItemFacts(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What the shop says of an item. Absent facts are None; an item is available until the shop says otherwise."""

    category: _Short | None = None
    price: Annotated[float, Meta(ge=0, le=1e12)] | None = None
    brand: _Short | None = None
    title: Annotated[str, Meta(max_length=1024)] | None = None
    tags: Annotated[tuple[_Short, ...], Meta(max_length=64)] = ()
    rating: Annotated[float, Meta(ge=-1e6, le=1e6)] | None = None
    available: bool = True
    embedding: Annotated[tuple[float, ...], Meta(min_length=1, max_length=4096)] | None = None

    @property
    def content(self) -> bytes | None:
        """The item as a small vector: its embedding, or else the words of its title, and its tags."""
        return content_vector(self.title, self.tags, self.embedding)


class Removed(msgspec.Struct, frozen=True):
    """The shop removed the item: a record without a value."""


_decoder: Final = msgspec.json.Decoder(ItemFacts)


def item_key(key: bytes | None) -> str | Rejection:
    """Decodes the item id in a record's key.

    >>> item_key(b"sku-1")
    'sku-1'
    """
    try:
        name = (key or b"").decode()
    except UnicodeDecodeError:
        return Rejection("not_json", "key", "UTF-8", "other bytes")
    if not 1 <= len(name) <= 256 or has_control(name):
        return Rejection(
            "bad_value", "key", "item id of 1 to 256 characters without control characters", describe(name)
        )
    return name


def decode_item(key: bytes | None, raw: bytes | None) -> ItemFacts | Removed | Rejection:
    """Decodes a record whose key is the item id. A record without a value removes the item. Never raises on input.

    >>> decode_item(b"sku-1", b'{"price": 3}').price
    3.0
    >>> decode_item(b"sku-1", None)
    Removed()
    """
    name = item_key(key)
    if isinstance(name, Rejection):
        return name
    if raw is None:
        return Removed()
    if (problem := unparsable(raw, MAX_ITEM_BYTES)) is not None:
        return problem
    if raw[:1] == b"\0":
        unwrapped_raw = unwrapped(raw)
        if isinstance(unwrapped_raw, Rejection):
            return unwrapped_raw
        raw = unwrapped_raw
    try:
        return _decoder.decode(raw)
    except (msgspec.MsgspecError, RecursionError) as error:
        return refusal(raw, error, _EXPECTED)


def encode_item(facts: ItemFacts) -> bytes:
    """Encodes item facts as canonical JSON, without absent ones.

    >>> encode_item(ItemFacts(category="toys", price=3.0))
    b'{"category":"toys","price":3.0}'
    """
    return msgspec.json.encode(facts)
