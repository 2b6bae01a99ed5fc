"""Measures how long a kafka-python consumer that does nothing else takes to poll the records of a topic.

Plain: the library's own defaults, checksums by crc32c. Tuned: larger fetches, polls as large as the learner's batches,
no metrics; that is close to the limit of kafka-python.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition

from streaming.consumer import FETCH, FETCH_WAIT_MS

TUNED: Final[dict[str, Any]] = {
    "metrics_enabled": False,
    "fetch_max_wait_ms": FETCH_WAIT_MS,
    "fetch_max_bytes": FETCH,
    "max_partition_fetch_bytes": 4 << 20,
}
"""Settings with the fastest poll loop on one machine with the broker: fetches four times the default."""


def main() -> None:
    """Read {"bootstrap", "topic", "offsets", "records", "batch" or null for plain} from standard input, and poll."""
    task = json.load(sys.stdin)
    options = TUNED if task["batch"] else {}
    consumer = KafkaConsumer(bootstrap_servers=task["bootstrap"], enable_auto_commit=False, check_crcs=True, **options)
    offsets = {TopicPartition(task["topic"], int(number)): offset for number, offset in task["offsets"].items()}
    consumer.assign(list(offsets))
    for partition, offset in offsets.items():
        consumer.seek(partition, offset)
    begin, processor, polled = time.perf_counter(), time.process_time(), 0
    while polled < task["records"]:
        polled += sum(map(len, consumer.poll(1000, max_records=task["batch"]).values()))
    seconds = time.perf_counter() - begin
    processor = time.process_time() - processor
    consumer.close()
    print(json.dumps({"seconds": seconds, "records": polled, "cpu_seconds": processor}))


if __name__ == "__main__":
    main()
