"""Bytes of a record of any topic in; an event, item facts, an order, a slate record or a rejection out. Stage 1."""

from models.records.content import content_vector
from models.records.control import ORDER_KINDS, Drop, Erase, Order, Quarantine, Replay, decode_control, encode_control
from models.records.events import (
    ALIASES,
    CART,
    CLICK,
    DISLIKE,
    FAVOURITE,
    IMPRESSION,
    KINDS,
    MAX_EVENT_BYTES,
    PURCHASE,
    SEARCH,
    WEIGHTS,
    Event,
    EventRules,
    decode,
    decode_many,
    encode,
)
from models.records.items import ItemFacts, Removed, decode_item, encode_item, item_key
from models.records.mapping import FIELDS, EventMapping, Times
from models.records.queries import normalised, query_of
from models.records.rejections import REASONS, Rejection, unparsable
from models.records.slates import SlateRecord, decode_slate, encode_slate
from models.records.timestamps import EXPECTED, epoch_seconds

__all__ = [
    "ALIASES",
    "CART",
    "CLICK",
    "DISLIKE",
    "EXPECTED",
    "FAVOURITE",
    "FIELDS",
    "IMPRESSION",
    "KINDS",
    "MAX_EVENT_BYTES",
    "ORDER_KINDS",
    "PURCHASE",
    "REASONS",
    "SEARCH",
    "WEIGHTS",
    "Drop",
    "Erase",
    "Event",
    "EventMapping",
    "EventRules",
    "ItemFacts",
    "Order",
    "Quarantine",
    "Rejection",
    "Removed",
    "Replay",
    "SlateRecord",
    "Times",
    "content_vector",
    "decode",
    "decode_control",
    "decode_item",
    "decode_many",
    "decode_slate",
    "encode",
    "encode_control",
    "encode_item",
    "encode_slate",
    "epoch_seconds",
    "item_key",
    "normalised",
    "query_of",
    "unparsable",
]
