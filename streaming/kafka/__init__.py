"""Opens clients of Kafka, names their errors, creates topics and writes records. Stage 0."""

from streaming.kafka.client import address_text, client_arguments, open_client, unreachable
from streaming.kafka.errors import (
    UNREADABLE,
    BrokerAway,
    ClockRefused,
    DataUnreadable,
    KafkaTrouble,
    NotAllowed,
    OffsetsGone,
    RecordRefused,
    TopicMissing,
    TopicRecreated,
    UnusableFile,
    trouble,
)
from streaming.kafka.producer import Delivery, EventProducer
from streaming.kafka.records import BACKFILL, Cut, Offsets, Record, RecordSource, is_backfill
from streaming.kafka.topics import (
    ROLES,
    ROLES_READ,
    Role,
    administration,
    ensure_topics,
    parted,
    topic_options,
    topics_read,
)

__all__ = [
    "BACKFILL",
    "ROLES",
    "ROLES_READ",
    "UNREADABLE",
    "BrokerAway",
    "ClockRefused",
    "Cut",
    "DataUnreadable",
    "Delivery",
    "EventProducer",
    "KafkaTrouble",
    "NotAllowed",
    "Offsets",
    "OffsetsGone",
    "Record",
    "RecordRefused",
    "RecordSource",
    "Role",
    "TopicMissing",
    "TopicRecreated",
    "UnusableFile",
    "address_text",
    "administration",
    "client_arguments",
    "ensure_topics",
    "is_backfill",
    "open_client",
    "parted",
    "topic_options",
    "topics_read",
    "trouble",
    "unreachable",
]
