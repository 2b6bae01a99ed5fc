"""In: a kafka-python consumer. Out: the same, taking fetched batches apart by `streaming.consumer.record_batches`.
Stage 0.

Fetching, offsets, checksums and transactions stay the library's. Its records come from a method of its own that is not
part of its interface, so a version without it simply stays slow; a test says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from streaming.consumer.record_batches import Batch, WireRecord, unpack


def hasten(consumer: Any, corrupt: type[Exception]) -> bool:
    """Let `consumer` (read_committed) hand out `WireRecord`s; whether it can. Damaged batches raise `corrupt`."""
    fetcher = getattr(consumer, "_fetcher", None)
    inherited: Any = getattr(fetcher, "PartitionRecords", None)
    if fetcher is None or not hasattr(inherited, "_unpack_records"):
        return False

    class Records(inherited):  # type: ignore[misc]
        """The records of one fetch of one partition."""

        def _unpack_records(self, part: Any, batches: Any, *_: Any) -> Iterator[WireRecord]:
            following = None
            for batch in iter(batches.next_batch, None):
                if self.check_crcs and not batch.validate_crc():
                    raise corrupt(f"the batch at offset {batch.base_offset} of {part} fails its checksum")
                following = batch.next_offset if batch.magic == 2 else None
                if batch.magic == 2:
                    self.leader_epoch = batch.leader_epoch
                    if self._no_data(batch):
                        self.next_fetch_offset = following
                        continue
                for record in _records(part, batch, corrupt):
                    self.next_fetch_offset = record.offset + 1
                    yield record
            if following is not None:  # compaction may have taken the last record of a batch
                self.next_fetch_offset = following
            self.drain()

        def _no_data(self, batch: Any) -> bool:
            """Whether a batch ends a transaction, or belongs to one that was aborted."""
            if batch.has_producer_id():
                self._consume_aborted_transactions_up_to(batch.last_offset)
                if self._contains_abort_marker(batch):
                    self.aborted_producer_ids.discard(batch.producer_id)
                elif self._is_batch_aborted(batch):
                    return True
            return bool(batch.is_control_batch)

    fetcher.PartitionRecords = Records
    return True


def _records(part: Any, batch: Any, corrupt: type[Exception]) -> Iterable[WireRecord]:
    if batch.magic != 2:
        return [
            WireRecord(part.topic, part.partition, each.offset, each.timestamp, each.key, each.value, ())
            for each in batch
        ]
    batch._maybe_uncompress()
    appended = batch.max_timestamp if batch.timestamp_type else None
    known = Batch(part.topic, part.partition, batch.base_offset, batch.first_timestamp, appended, batch.records_count)
    try:
        return unpack(known, bytes(batch._buffer), batch._pos)
    except (ValueError, IndexError) as error:
        raise corrupt(str(error)) from error
