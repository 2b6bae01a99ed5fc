"""Items from HTTP in; their facts in the topic, and an outcome for each, out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from models.records import ItemFacts, Rejection, decode_sent_item
from service.http import ItemOutcome
from service.ingest.publisher import UNSENT, EventPublisher, Outgoing, not_taken
from streaming.kafka import RecordRefused


def send_items(publisher: EventPublisher, raw: Sequence[bytes]) -> tuple[list[ItemOutcome], Counter[str]]:
    """Decode items and send the facts of the valid ones.

    Args:
        publisher: Writes to the topic.
        raw: One piece of JSON per item.

    Returns:
        The outcome of each item, in their order, and the accepted items by the attributes that they have.

    Raises:
        KafkaUnavailable: Kafka has none of the valid items.
    """
    outcomes: list[ItemOutcome] = []
    good: list[tuple[int, Outgoing, ItemFacts]] = []
    for index, sent in enumerate(raw):
        left_out: Counter[str] = Counter()
        found = decode_sent_item(sent, left_out)
        if isinstance(found, Rejection):
            outcomes.append(ItemOutcome(index, "rejected", "", found.reason, found.path, found.expected, found.found))
            continue
        item_id, facts = found
        outcomes.append(ItemOutcome(index, UNSENT, item_id, left_out=tuple(left_out)))
        good.append((index, Outgoing(item_id, sent), facts))
    troubles = publisher.deliver("items", [record for _, record, _ in good]) if good else []
    attributes: Counter[str] = Counter()
    for (index, record, facts), trouble in zip(good, troubles, strict=True):
        if isinstance(trouble, RecordRefused):
            refusal = not_taken(record, trouble)
            outcomes[index] = ItemOutcome(
                index, "rejected", record.key, refusal.reason, refusal.path, refusal.expected, refusal.found
            )
        elif trouble is None:
            outcomes[index].outcome = "accepted"
            if facts.attributes:
                attributes.update(facts.attribute_values().keys())
    return outcomes, attributes


__all__ = ["send_items"]
