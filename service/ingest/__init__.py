"""Events and items of clients in; records in topics out."""

from service.ingest.beacons import Beacons
from service.ingest.items import send_items
from service.ingest.ndjson import split
from service.ingest.publisher import EventPublisher, KafkaUnavailable, Outgoing

__all__ = ["Beacons", "EventPublisher", "KafkaUnavailable", "Outgoing", "send_items", "split"]
