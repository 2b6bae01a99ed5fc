"""Sends a shop's traffic through the topic of a running stack, and measures that answers change.

History goes first, as fast as the producer takes it; what a user then does is one more event in the same topic.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import uuid4

import msgspec

from service.local import demo_foreign
from service.local.demo_client import Client, Figures, await_without
from service.local.demo_data import Purchases
from service.local.embedded import EmbeddedError
from streaming.kafka import EventProducer

KINDS = ("click", "favourite", "purchase")
"""Events of the check's shopper, in this order."""

CHANGE_DEADLINE = 10.0
"""Seconds within which an event must change the answer; it takes milliseconds."""

FOREIGN_KIND = "favourite"
"""The event of the check's shopper that goes through the topic of another shape."""

FOREIGN_EACH = 10
"""One purchase of so many is a record of the topic of another shape."""

SLICE = 2_000
"""Events between two checks whether to stop."""


class Feed:
    """Sends purchases, each product's facts just before its first purchase, from a thread.

    Args:
        producer: Writes to our topics.
        purchases: What to send.
        foreign: Writes to the topic of another shape; None to send everything to ours.
    """

    def __init__(self, producer: EventProducer, purchases: Purchases, foreign: EventProducer | None = None) -> None:
        self._producer, self._foreign, self._purchases = producer, foreign, purchases
        self._shown: set[str] = set()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.error: Exception | None = None
        self.sent = 0

    def start(self) -> None:
        """Send everything from a thread."""
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop sending."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    @property
    def done(self) -> bool:
        """Whether every purchase was sent."""
        return self.sent >= len(self._purchases)

    def check(self) -> None:
        """Raise EmbeddedError if an error stopped the feed."""
        if self.error is not None:
            raise EmbeddedError(f"sending history failed: {self.error}")

    def _run(self) -> None:
        try:
            while not (self.done or self._stop.is_set()):
                self.send(self.sent, min(self.sent + SLICE, len(self._purchases)))
        except Exception as error:
            self.error = error

    def send(self, start: int, stop: int) -> None:
        """Send purchases `start` to `stop` and wait until the broker has them."""
        for place, event in enumerate(self._purchases.events(start, stop), start):
            item = event["item_id"]
            if item not in self._shown:
                self._shown.add(item)
                facts = {**self._purchases.facts.get(item, {}), "price": event["price"]}
                self._producer.send("items", item, msgspec.json.encode(facts))
            if self._foreign is None or place % FOREIGN_EACH:
                self._producer.send("events", event["user_id"], msgspec.json.encode(event), backfill=True)
            else:
                self._foreign.send("events", event["user_id"], demo_foreign.encoded(event), backfill=True)
        for producer in (self._producer, self._foreign):
            if producer is not None and (not producer.flush(30.0) or producer.failures):
                raise EmbeddedError("the broker did not take all purchases within 30 s")
        self.sent = stop


class Change(NamedTuple):
    """One event of the check, and the recommendations before and after it."""

    event: str
    topic: str
    item: str
    milliseconds: float
    before: list[str]
    after: list[str]


def await_learned(client: Client, count: int, deadline: float, watch: Callable[[], None]) -> Figures:
    """Wait until `count` events are learned and served. Raises EmbeddedError after `deadline` seconds."""
    limit = time.monotonic() + deadline
    while time.monotonic() < limit:
        watch()
        figures = client.figures()
        if figures.learned >= count and served_version(client) >= figures.version > 0:
            return figures
        time.sleep(0.1)
    raise EmbeddedError(f"{count} events were not learned and served within {deadline:.0f} s")


def served_version(client: Client) -> int:
    """Sequence number of the version that answers; 0 when none does yet."""
    return int(client.get("/model").get("sequence") or 0)


def shop(client: Client, producer: EventProducer, foreign: EventProducer, user: str) -> list[Change]:
    """Click, favourite and purchase the first of what is recommended, each as a record of a topic, and look again.

    A shopper looks at the item already, so the answer must change: slates leave it out.
    """
    changes = []
    for kind in KINDS:
        before = client.recommended(user)
        if not before:
            raise EmbeddedError(f"nothing is recommended to {user}: the check needs an answer that can change")
        item = before[0]
        event: dict[str, Any] = {
            "event_type": kind,
            "event_id": f"check-{uuid4()}",
            "user_id": user,
            "item_id": item,
            "timestamp": time.time(),
        }
        if kind == FOREIGN_KIND:
            topic, sent = demo_foreign.TOPIC, foreign.send("events", user, demo_foreign.encoded(event))
        else:
            topic, sent = "events", producer.send("events", user, msgspec.json.encode(event))
        sent.wait(CHANGE_DEADLINE)
        after, milliseconds = await_without(item, lambda: client.recommended(user), CHANGE_DEADLINE)
        changes.append(Change(kind, topic, item, round(milliseconds, 1), before, after))
    return changes
