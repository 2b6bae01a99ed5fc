"""Progress says where to read on, counts each record once, and what a version holds of it no longer moves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.kernels.learning import watch_clock
from models.ledger import Progress, moved
from models.ledger.progress import Quarantined, batch_digest
from models.recommender import RecommenderOptions, new_state

BATCHES = st.lists(st.tuples(st.sampled_from(["events", "items"]), st.integers(0, 2), st.integers(1, 5)), max_size=20)


@given(BATCHES)
def test_every_partition_is_read_on_after_its_last_record(batches: list[tuple[str, int, int]]) -> None:
    progress, following, digest = Progress(), {}, 0
    for topic, partition, count in batches:
        start = following.get((topic, partition), 0)
        offsets = list(range(start, start + count))
        progress.advance(topic, partition, offsets, 1.0)
        following[topic, partition] = start + count
        digest += sum(batch_digest(topic, partition, [offset]) for offset in offsets)
    flat = {(topic, part): place for topic, places in progress.offsets.items() for part, place in places.items()}
    assert flat == following
    assert progress.consumed == sum(following.values())
    assert progress.digest == digest % 2**64


def test_offsets_may_have_gaps_and_never_go_back() -> None:
    """A compacted topic, or one with transactions, lacks offsets; a record that was counted is not counted again."""
    progress = Progress()
    progress.advance("events", 0, [0, 1, 7], 1.0)
    assert progress.offsets == {"events": {0: 8}}
    before = progress.copy()
    with pytest.raises(ValueError, match=r"events\[0\]: offset 7 after 8 was next"):
        progress.advance("events", 0, [7, 8], 1.0)
    assert progress == before
    progress.advance("events", 1, [7], 1.0)
    progress.advance("events", 0, [8], 1.0)
    assert progress.offsets == {"events": {0: 9, 1: 8}}


def test_a_copy_stays_as_it_is_while_the_original_moves_on() -> None:
    progress = Progress(topics={"events": "id"})
    progress.advance("events", 0, [0], 1.0)
    progress.count("learnt")
    copied, before = progress.copy(), repr(progress)
    progress.advance("events", 0, [1], 2.0)
    progress.advance("events", 1, [0], 2.0)
    progress.advance("items", 0, [0], 2.0)
    progress.count("learnt")
    progress.topics["items"] = "another"
    progress.quarantines.append(Quarantined("q", 1.0, "v"))
    assert repr(copied) == before


def test_a_record_from_the_future_does_not_set_the_time_of_the_stream_for_good() -> None:
    progress = Progress()
    for offset, moment in enumerate([1_000.0, 1_005.0, 4_070_908_800.0, 1_003.0, 1_002.0]):
        progress.advance("events", 0, [offset], moment)
    assert progress.watermark == 1_003.0


def test_records_that_were_refused_do_not_move_the_time_of_the_stream() -> None:
    progress = Progress(watermark=1_000.0)
    progress.advance("events", 0, [0, 1], 0.0)
    assert (progress.watermark, progress.consumed) == (1_000.0, 2)


@given(st.lists(st.floats(1.0, 20_000.0), max_size=20))
def test_the_ledger_and_the_kernel_keep_the_same_clock(times: list[float]) -> None:
    clock, progress = 0.0, new_state(RecommenderOptions(items=10, users=10)).private.progress
    for time in times:
        clock = moved(clock, time)
        watch_clock(progress, time)
    assert progress.watermark[0] == clock
