"""Facts of items that mapped events mention in; completions in topic `items`, where a fact is new, out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from models.records import ItemFacts, completed, completion_key, encode_item, only_completed
from service.ingest.publisher import EventPublisher, KafkaUnavailable, Outgoing

ON_ITS_WAY: Final = 10.0
"""Seconds in which what was sent of an item is not sent again: it takes about one to come back as known. Without Redis,
or without a learner, it does not, and this bounds how often it is sent. Also the pause after Kafka took none."""

MOST: Final = 20_000
"""Items of which it is remembered what was sent."""


class Known(Protocol):
    """The facts of items that are known."""

    def get(self, item_id: str) -> ItemFacts | None:
        """The item's facts; None for an unknown or a removed one."""

    def hidden(self, item_id: str) -> bool:
        """Whether the item is removed or not available."""


class Completions:
    """Sends facts that are new. Thread-safe.

    Args:
        publisher: Writes to the topic.
        known: Facts that are known already.
        clock: Monotonic seconds.
    """

    def __init__(self, publisher: EventPublisher, known: Known, clock: Callable[[], float] = time.monotonic) -> None:
        self._publisher, self._known, self._clock = publisher, known, clock
        self._sent: dict[str, tuple[ItemFacts, float]] = {}
        self._paused = float("-inf")

    def send(self, said: Mapping[str, ItemFacts]) -> dict[str, str]:
        """Send the facts that are new.

        Args:
            said: Facts by item.

        Returns:
            Items whose facts Kafka did not take, each with a warning.
        """
        now = self._clock()
        new = [(item, facts) for item, facts in said.items() if self._wanted(item, facts, now)]
        if not new:
            return {}
        if now < self._paused:
            return dict.fromkeys((item for item, _ in new), _warning("Kafka took none a moment ago"))
        # Compaction keeps the newest record of a key: it has to say what those before it said.
        whole = [(item, self._whole(item, facts, now)) for item, facts in new]
        records = [Outgoing(completion_key(item), encode_item(facts)) for item, facts in whole]
        try:
            troubles = self._publisher.deliver("items", records)
        except KafkaUnavailable as error:
            self._paused = now + ON_ITS_WAY  # events need not suffer from what only this topic lacks
            return dict.fromkeys((item for item, _ in new), _warning(str(error)))
        lost = {item: _warning(str(why)) for (item, _), why in zip(new, troubles, strict=True) if why is not None}
        if len(self._sent) + len(new) > MOST:
            self._sent.clear()
        self._sent |= {item: (facts, now + ON_ITS_WAY) for item, facts in whole if item not in lost}
        return lost

    def _wanted(self, item: str, facts: ItemFacts, now: float) -> bool:
        known = self._known.get(item)
        if known is None and self._known.hidden(item):
            return False  # removed
        if known is not None and completed(known, facts) is known:
            return False
        sent = self._on_its_way(item, now)
        return sent is None or completed(sent, facts) is not sent

    def _whole(self, item: str, facts: ItemFacts, now: float) -> ItemFacts:
        """These facts and those that are known, or on their way: an event says no other word for them."""
        for before in (self._on_its_way(item, now), self._known.get(item)):
            if before is not None and (said := only_completed(before)) is not None:
                facts = completed(said, facts)
        return facts

    def _on_its_way(self, item: str, now: float) -> ItemFacts | None:
        sent, until = self._sent.get(item, (None, 0.0))
        return sent if until > now else None


def _warning(why: str) -> str:
    return f"facts: not taken, later events may say them again ({why})"


__all__ = ["Completions"]
