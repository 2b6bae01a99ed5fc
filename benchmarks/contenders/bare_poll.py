"""In: a topic and offsets. Out: seconds in which a kafka-python consumer that does nothing else polls the records.

It fetches as the learner does (4 MiB a partition, checksums by crc32c): kafka-python with its defaults is slower.
"""

from __future__ import annotations

import json
import sys
import time

from kafka import KafkaConsumer, TopicPartition

from streaming.consumer import FETCH, FETCH_WAIT_MS, PARTITION_FETCH


def main() -> None:
    """Reads {"bootstrap", "topic", "offsets", "records", "batch"} from standard input."""
    task = json.load(sys.stdin)
    consumer = KafkaConsumer(
        bootstrap_servers=task["bootstrap"],
        metrics_enabled=False,
        enable_auto_commit=False,
        auto_offset_reset="none",
        check_crcs=True,
        fetch_max_wait_ms=FETCH_WAIT_MS,
        fetch_max_bytes=FETCH,
        max_partition_fetch_bytes=PARTITION_FETCH,
    )
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
