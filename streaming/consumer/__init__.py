"""Reads records from topics by offset, by range, by time or as a sample. The API never loads it. Stage 0."""

from streaming.consumer.by_time import Reach, RecordsByTime
from streaming.consumer.consumer import FETCH, FETCH_WAIT_MS, KafkaSource
from streaming.consumer.decompression import CODECS, missing_codecs
from streaming.consumer.inspection import LogFacts, TopicFacts, bounds, inspect_log
from streaming.consumer.sampling import newest, of_file, of_topic

__all__ = [
    "CODECS",
    "FETCH",
    "FETCH_WAIT_MS",
    "KafkaSource",
    "LogFacts",
    "Reach",
    "RecordsByTime",
    "TopicFacts",
    "bounds",
    "inspect_log",
    "missing_codecs",
    "newest",
    "of_file",
    "of_topic",
]
