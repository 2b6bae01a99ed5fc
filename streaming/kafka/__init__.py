"""Opens clients of Kafka, names their errors, creates topics and writes records. Stage 0."""

from streaming.kafka.client import client_arguments, open_client
from streaming.kafka.errors import (
    BrokerAway,
    ClockRefused,
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
from streaming.kafka.records import BACKFILL, PUBLIC, Offsets, Record, RecordSource, is_backfill, is_public
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
    "PUBLIC",
    "ROLES",
    "ROLES_READ",
    "BrokerAway",
    "ClockRefused",
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
    "administration",
    "client_arguments",
    "ensure_topics",
    "is_backfill",
    "is_public",
    "open_client",
    "parted",
    "topic_options",
    "topics_read",
    "trouble",
]
