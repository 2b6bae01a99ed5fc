"""Events of clients in; records in topics out."""

from service.ingest.beacons import Beacons
from service.ingest.foreign import ForeignRecords, send_translated, translated
from service.ingest.ndjson import split
from service.ingest.publisher import EventPublisher, KafkaUnavailable, Outgoing

__all__ = [
    "Beacons",
    "EventPublisher",
    "ForeignRecords",
    "KafkaUnavailable",
    "Outgoing",
    "send_translated",
    "split",
    "translated",
]
