"""Events and items of clients in; records in topics out."""

from service.ingest.beacons import Beacons
from service.ingest.completions import Completions
from service.ingest.dead_letter_reader import DeadLetterReader, DeadLettersAway
from service.ingest.foreign import PUBLIC_FACTS, ForeignRecords, send_translated, translated
from service.ingest.items import send_items
from service.ingest.ndjson import out_of_envelopes, split
from service.ingest.proofs import Proofs
from service.ingest.publisher import EventPublisher, KafkaUnavailable, Outgoing
from service.ingest.refused_samples import RefusedSamples

__all__ = [
    "PUBLIC_FACTS",
    "Beacons",
    "Completions",
    "DeadLetterReader",
    "DeadLettersAway",
    "EventPublisher",
    "ForeignRecords",
    "KafkaUnavailable",
    "Outgoing",
    "Proofs",
    "RefusedSamples",
    "out_of_envelopes",
    "send_items",
    "send_translated",
    "split",
    "translated",
]
