"""Key and value of a record of topic `items` in; `ItemFacts`, `Removed` or a `Rejection` out. Stage 1."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, structs

from models.records.attributes import Attributes, Value, checked, from_json, to_json
from models.records.content import content_vector
from models.records.events import has_control, written
from models.records.rejections import MARK, Rejection, describe, refusal, unparsable, unwrapped
from models.structs import Prepared

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
    "group_id": "string of 1 to 256 characters",
}


# Not tracked by the garbage collector: strings and numbers make no cycles, and it would walk a whole catalogue.
class ItemFacts(msgspec.Struct, metaclass=Prepared, frozen=True, omit_defaults=True, gc=False):
    """What the shop says of an item. Absent facts are None; an item is available until the shop says otherwise.

    Items with the same `group_id` are variants of one product. `attributes` are the shop's own: no model reads them.
    """

    category: _Short | None = None
    price: Annotated[float, Meta(ge=0, le=1e12)] | None = None
    brand: _Short | None = None
    title: Annotated[str, Meta(max_length=1024)] | None = None
    tags: Annotated[tuple[_Short, ...], Meta(max_length=64)] = ()
    rating: Annotated[float, Meta(ge=-1e6, le=1e6)] | None = None
    available: bool = True
    embedding: Annotated[tuple[float, ...], Meta(min_length=1, max_length=4096)] | None = None
    group_id: _Short | None = None
    attributes: Attributes | None = None

    def attribute_values(self) -> dict[str, Value]:
        """The value of each attribute."""
        return self.attributes.values() if self.attributes is not None else {}

    @property
    def content(self) -> bytes | None:
        """The item as a small vector: its embedding, or else the words of its title, and its tags."""
        return content_vector(self.title, self.tags, self.embedding)


class Removed(msgspec.Struct, metaclass=Prepared, frozen=True):
    """The shop removed the item: a record without a value."""


ATTRIBUTES: Final = "attributes"
"""Field of the attributes; also the name under which those that could not be used are counted."""

ITEM_ID: Final = "item_id"

FACT_FIELDS: Final = tuple(name for name in ItemFacts.__struct_fields__ if name != ATTRIBUTES)
"""Fields of an item record that are facts. Every other one is an attribute, as are those in the object `attributes`."""


_decoder: Final = msgspec.json.Decoder(ItemFacts, dec_hook=lambda *_: Attributes())
_checked_decoder: Final = msgspec.json.Decoder(ItemFacts, dec_hook=from_json)
_fields_decoder: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encoder: Final = msgspec.json.Encoder(enc_hook=to_json)
_KNOWN: Final = frozenset(FACT_FIELDS)
_UNREADABLE: Final = object()


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


def decode_item(
    key: bytes | None, raw: bytes | None, left_out: Counter[str] | None = None
) -> ItemFacts | Removed | Rejection:
    """Decodes a record whose key is the item id. A record without a value removes the item. Never raises on input.

    A field that is no fact becomes an attribute. An attribute that cannot be used is left out; a fact that cannot be
    used refuses the record, because the facts of an item replace each other as a whole.

    Args:
        key: The item id.
        raw: The facts.
        left_out: Counts the attributes that could not be used, by name.

    >>> decode_item(b"sku-1", b'{"price": 3}').price
    3.0
    >>> decode_item(b"sku-1", None)
    Removed()
    >>> decode_item(b"sku-1", b'{"brand": "Kyusu", "stock": 4, "attributes": {"colour": "red"}}').attributes
    Attributes({'colour': 'red', 'stock': 4})
    """
    name = item_key(key)
    if isinstance(name, Rejection):
        return name
    if raw is None:
        return Removed()
    raw = raw.removeprefix(MARK)
    if (problem := unparsable(raw, MAX_ITEM_BYTES)) is not None:
        return problem
    if raw[:1] == b"\0":
        unwrapped_raw = unwrapped(raw)
        if isinstance(unwrapped_raw, Rejection):
            return unwrapped_raw
        raw = unwrapped_raw
    try:
        facts = _decoder.decode(raw)
        fields = _fields_decoder.decode(raw)
        if fields.keys() <= _KNOWN:
            return facts
    except (msgspec.MsgspecError, RecursionError) as error:
        return refusal(raw, error, _EXPECTED)
    others = {each: _value(value) for each, value in fields.items() if each not in _KNOWN}
    return structs.replace(facts, attributes=_attributes(name, others, left_out))


def usable_facts(item_id: str, fields: dict[str, Any], leave_out: Callable[[str], object]) -> ItemFacts | Rejection:
    """The facts among some values that can be used, for sources in which a fact is rarely worth the rest.

    Args:
        item_id: The item.
        fields: Values by the name of the fact, as JSON could hold them; none is bytes that are not UTF-8.
        leave_out: Called with the name of each that cannot be used.

    Returns:
        The facts, or why the id cannot be an item's.

    >>> usable_facts("tea", {"price": -1, "brand": "Kyusu"}, print).brand
    price
    'Kyusu'
    """
    key = item_id.encode()
    found = decode_item(key, written(fields))
    assert not isinstance(found, Removed), "a record with a value removes nothing"
    if isinstance(found, ItemFacts) or found.path == "key":
        return found
    usable: dict[str, Any] = {}
    for field, value in fields.items():
        alone = decode_item(key, written({field: value}))
        if isinstance(alone, ItemFacts):
            usable[field] = getattr(alone, field)
        else:
            leave_out(field)
    return ItemFacts(**usable)


def _value(raw: msgspec.Raw) -> Any:
    """The value of a field that is no fact; one that no attribute can have where it cannot be read."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.MsgspecError, RecursionError):
        return _UNREADABLE


def _attributes(item_id: str, others: dict[str, Any], left_out: Counter[str] | None) -> Attributes | None:
    """The attributes of a record, from its object `attributes` and from the fields that are no facts."""
    own = others.pop(ATTRIBUTES, None)
    said = others.pop(ITEM_ID, item_id)  # many write the id into the value as well
    named: dict[str, Any] = own if isinstance(own, dict) else {}
    found, unusable = checked(named | {name: value for name, value in others.items() if name not in named})
    unusable += [name for name in others if name in named]
    if own is not None and not isinstance(own, dict):
        unusable.append(ATTRIBUTES)
    if said != item_id:
        unusable.append(ITEM_ID)
    if left_out is not None:
        left_out.update(unusable)
    return found


def decode_sent_item(raw: bytes, left_out: Counter[str] | None = None) -> tuple[str, ItemFacts] | Rejection:
    """Decodes an object that names its item, as requests and files have it. Never raises on input.

    >>> decode_sent_item(b'{"item_id": "sku-1", "price": 3}')[0]
    'sku-1'
    >>> print(decode_sent_item(b'{"price": 3}'))
    missing_field at $.item_id: expected string of 1 to 256 characters without control characters, found nothing
    """
    raw = raw.removeprefix(MARK)
    if (problem := unparsable(raw, MAX_ITEM_BYTES)) is not None:
        return problem
    try:
        item_id = _named_decoder.decode(raw).item_id
    except (msgspec.MsgspecError, RecursionError) as error:
        return refusal(raw, error, {ITEM_ID: _NAMED})
    if not 1 <= len(item_id) <= 256 or has_control(item_id):
        return Rejection("bad_value", f"$.{ITEM_ID}", _NAMED, describe(item_id))
    found = decode_item(item_id.encode(), raw, left_out)
    if isinstance(found, Rejection):
        return found
    assert isinstance(found, ItemFacts), "a record with a value removes nothing"
    return item_id, found


class _Named(msgspec.Struct, metaclass=Prepared, gc=False):
    item_id: str


_named_decoder: Final = msgspec.json.Decoder(_Named)
_NAMED: Final = "string of 1 to 256 characters without control characters"


def encode_item(facts: ItemFacts) -> bytes:
    """Encodes item facts as canonical JSON, without absent ones.

    >>> encode_item(ItemFacts(category="toys", price=3.0))
    b'{"category":"toys","price":3.0}'
    """
    return _encoder.encode(facts)


def decode_checked(raw: bytes) -> ItemFacts:
    """Decodes what `encode_item` wrote. Raises msgspec.DecodeError for anything else.

    >>> facts = ItemFacts(category="toys", attributes=checked({"stock": 3})[0])
    >>> decode_checked(encode_item(facts)) == facts
    True
    """
    return _checked_decoder.decode(raw)
