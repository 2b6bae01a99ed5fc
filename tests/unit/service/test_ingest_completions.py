"""What a request says of items while Kafka is away: it is not sent, that is said, and events are not held up."""

from __future__ import annotations

from models.records import ItemFacts
from service.ingest import Completions, EventPublisher
from streaming.settings import Settings


class Shelf:
    """Facts that are known."""

    def __init__(self, facts: dict[str, ItemFacts], removed: tuple[str, ...] = ()) -> None:
        self._facts, self._removed = facts, removed

    def get(self, item_id: str) -> ItemFacts | None:
        return self._facts.get(item_id)

    def hidden(self, item_id: str) -> bool:
        return item_id in self._removed


def test_facts_that_kafka_does_not_take_are_named_and_only_those_that_are_new() -> None:
    away = EventPublisher(Settings())  # never started: it has no connection
    now = [0.0]
    tea = ItemFacts(category="drinks")
    sending = Completions(away, Shelf({"tea": tea}, ("gone",)), lambda: now[0])
    said = {"tea": tea, "gone": tea, "pot": tea}
    assert sending.send({"tea": tea, "gone": tea}) == {}
    first, second = sending.send(said), sending.send(said)
    assert first.keys() == second.keys() == {"pot"}
    assert first["pot"].startswith("facts: not taken")
    assert "a moment ago" in second["pot"]
    now[0] = 11.0
    assert sending.send(said) == first
