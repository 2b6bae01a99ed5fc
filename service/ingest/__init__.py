"""Events of clients in; records in topics out."""

from service.ingest.beacons import Beacons
from service.ingest.ndjson import split
from service.ingest.proofs import Proofs
from service.ingest.publisher import EventPublisher, KafkaUnavailable, Outgoing

__all__ = ["Beacons", "EventPublisher", "KafkaUnavailable", "Outgoing", "Proofs", "split"]
