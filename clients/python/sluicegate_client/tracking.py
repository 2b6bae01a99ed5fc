"""What both clients do the same way: settings of httpx, and events with an id and a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, cast

from sluicegate_client.types import EventFields, SentEvent


def settings_of(address: str, key: str, timeout: float) -> dict[str, Any]:
    """Arguments of an httpx client."""
    headers = {"Content-Type": "application/json", "User-Agent": "sluicegate-client"}
    if key:
        headers["X-API-Key"] = key
    return {"base_url": address.rstrip("/"), "headers": headers, "timeout": timeout}


def identified(events: Iterable[SentEvent], new_id: Callable[[], str]) -> list[SentEvent]:
    """Events that all have an id.

    >>> identified([{"event_type": "click", "user_id": "ann"}], lambda: "7")
    [{'event_id': '7', 'event_type': 'click', 'user_id': 'ann'}]
    """
    return [{"event_id": new_id(), **event} for event in events]


def tracked(
    event_type: str,
    user_id: str,
    item_id: str | None,
    fields: EventFields,
    now: Callable[[], float],
    new_id: Callable[[], str],
) -> tuple[str, SentEvent]:
    """The id of an event, and the event, which happens now unless it says another time."""
    event_id = fields.get("event_id") or new_id()
    event = {"event_type": event_type, "user_id": user_id, "timestamp": now(), **fields, "event_id": event_id}
    if item_id is not None:
        event["item_id"] = item_id
    return event_id, cast("SentEvent", event)
