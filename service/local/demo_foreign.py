"""The demo's topic of another shape: its records, and the mapping by which the learner reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from streaming.kafka import EventProducer, administration
from streaming.settings import Settings

TOPIC: Final = "shop.activity"

MAPPING: Final[dict[str, Any]] = {
    "topic": TOPIC,
    "time": "milliseconds",
    "fields": {
        "event_type": "what",
        "user_id": "who.household",
        "item_id": "lines[0].sku",
        "timestamp": "when_ms",
        "event_id": "id",
        "price": "lines[0].price",
        "quantity": "lines[0].count",
    },
    "types": {"PRODUCT_VIEWED": "click", "WISHLIST_ADDED": "favourite", "ORDER_PLACED": "purchase"},
}
"""As a [[mapping]] of the settings says it (docs/mapping.md)."""

_WORDS: Final = {ours: theirs for theirs, ours in MAPPING["types"].items()}

VARIABLE: Final = {"SLUICEGATE_MAPPING": json.dumps([MAPPING])}
"""The mapping, for the environment of the learner."""


def record_of(event: Mapping[str, Any]) -> dict[str, Any]:
    """An event of ours as a record of that topic.

    >>> record_of({"event_type": "click", "event_id": "e", "user_id": "ann", "item_id": "tea", "timestamp": 1.5})
    {'id': 'e', 'what': 'PRODUCT_VIEWED', 'who': {'household': 'ann'}, 'when_ms': 1500, 'lines': [{'sku': 'tea'}]}
    """
    line = {"sku": event["item_id"], "price": event.get("price"), "count": event.get("quantity")}
    return {
        "id": event["event_id"],
        "what": _WORDS[event["event_type"]],
        "who": {"household": event["user_id"]},
        "when_ms": round(event["timestamp"] * 1000),
        "lines": [{name: value for name, value in line.items() if value is not None}],
    }


def encoded(event: Mapping[str, Any]) -> bytes:
    """The value of such a record."""
    return msgspec.json.encode(record_of(event))


def create_topic(settings: Settings) -> None:
    """Create the topic. Raises KafkaTrouble."""
    with administration(settings) as admin:
        if TOPIC not in admin.list_topics():
            layout = {"num_partitions": settings.kafka.partitions, "replication_factor": settings.kafka.replication}
            admin.create_topics({TOPIC: layout}, wait_for_metadata=True)


def producer(settings: Settings) -> EventProducer:
    """A producer whose role `events` is that topic."""
    kafka = settings.kafka.model_copy(update={"events_topic": TOPIC})
    return EventProducer(settings.model_copy(update={"kafka": kafka}))


__all__ = ["MAPPING", "TOPIC", "VARIABLE", "create_topic", "encoded", "producer", "record_of"]
