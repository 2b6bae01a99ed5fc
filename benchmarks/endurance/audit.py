"""Compares the learned events with the sent ones: the log of Kafka, the ledgers of the producers, and the last version.

Nothing here runs the learner's decoding, admission or learning. Only the hash of one record's place is shared, because
the digest is defined by it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import Match, SequenceMatcher
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from kafka import KafkaConsumer, TopicPartition
from numpy.typing import NDArray

from benchmarks.endurance import names
from benchmarks.endurance.feeder import PLACE
from models.ledger.progress import DIGEST_MODULUS, Progress, batch_digest
from models.state import State
from streaming.live import histories
from streaming.store import Store

POLL_RECORDS: Final = 10_000
SILENCE_SECONDS: Final = 30.0
HISTORIES: Final = 200
"""Users whose history is held against the log."""
SHOWN: Final = 20
NO_ACTION: Final = {"search", "impression"}
"""Types that are no action of the user towards an item, and so are not in the history."""
VISITORS_FROM: Final = 10_000_000
"""Number of the first visitor; users of the stream are below it."""


class Logged(msgspec.Struct):
    """What the audit reads of an event."""

    event_id: str
    event_type: str
    user_id: str
    item_id: str


class Log(NamedTuple):
    """Every record of the topic of events, by partition and offset: one row each."""

    code: dict[int, NDArray[np.int64]]
    user: dict[int, NDArray[np.int64]]
    item: dict[int, NDArray[np.int64]]
    action: dict[int, NDArray[np.bool_]]
    time: dict[int, NDArray[np.float64]]
    """Record time, epoch seconds."""


class Learned(NamedTuple):
    """A version: its progress, and the events that it learned by number of the item and of the user."""

    progress: Progress
    items: dict[int, int]
    users: dict[int, int]


class Findings(NamedTuple):
    """Events lost and learned twice, whether everything else is equal too, and every number behind them."""

    lost: int
    twice: int
    exact: bool
    details: dict[str, Any]


def ends(bootstrap: str, topic: str) -> dict[int, int]:
    """The next offset of each partition."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    try:
        places = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        found: dict[Any, int] = consumer.end_offsets(places)
        return {place.partition: offset for place, offset in found.items()}
    finally:
        consumer.close()


def read(bootstrap: str, topic: str, say: Callable[[str], None]) -> Log:
    """The whole topic, with a bare consumer. Raises TimeoutError when the broker stops sending."""
    sizes = ends(bootstrap, topic)
    log = Log(
        {partition: np.full(size, -1, np.int64) for partition, size in sizes.items()},
        {partition: np.full(size, -1, np.int64) for partition, size in sizes.items()},
        {partition: np.full(size, -1, np.int64) for partition, size in sizes.items()},
        {partition: np.zeros(size, np.bool_) for partition, size in sizes.items()},
        {partition: np.zeros(size, np.float64) for partition, size in sizes.items()},
    )
    decode = msgspec.json.Decoder(Logged).decode
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        max_poll_records=POLL_RECORDS,
        fetch_max_bytes=16 << 20,
        max_partition_fetch_bytes=4 << 20,
    )
    total, count, told = sum(sizes.values()), 0, 0
    try:
        places = [TopicPartition(topic, partition) for partition in sizes]
        consumer.assign(places)
        consumer.seek_to_beginning(*places)
        while count < total:
            polled = consumer.poll(1000 * SILENCE_SECONDS)
            if not polled:
                raise TimeoutError(f"the broker sent {count} of {total} records of {topic}")
            for place, records in polled.items():
                count += _enter(log, place.partition, records, decode)
            if count - told >= 1_000_000:
                told = count
                say(f"audit: {count:,} of {total:,} records read")
    finally:
        consumer.close()
    return log


def _enter(log: Log, partition: int, records: Sequence[Any], decode: Callable[[bytes], Logged]) -> int:
    code, user, item, action, time = (column[partition] for column in log)
    entered = 0
    for record in records:
        at = record.offset
        if at < len(code):  # what came after the sizes were asked is none of ours
            event = decode(record.value)
            code[at] = names.parsed(event.event_id)
            user[at] = _number(event.user_id)
            item[at] = int(event.item_id[1:])
            action[at] = event.event_type not in NO_ACTION
            time[at] = record.timestamp / 1000
            entered += 1
    return entered


def _number(user: str) -> int:
    return int(user[1:]) + (VISITORS_FROM if user[0] == "v" else 0)


def _name(user: int) -> str:
    return f"v{user - VISITORS_FROM:06d}" if user >= VISITORS_FROM else f"u{user:06d}"


def missing(log: Log, ledgers: Sequence[NDArray[np.void]], posted: Sequence[int]) -> int:
    """Acknowledged events that are not where Kafka said, and posted ones that were accepted and are nowhere."""
    absent = 0
    for ledger in ledgers:
        for partition, code in log.code.items():
            mine = ledger[ledger["partition"] == partition]
            inside = mine[mine["offset"] < len(code)]
            absent += len(mine) - int((code[inside["offset"]] == inside["code"]).sum())
    there = np.concatenate(list(log.code.values()))
    accepted = np.array([names.code(names.POSTED, 0, number) for number in posted], np.int64)
    return absent + int((~np.isin(accepted, there)).sum())


def learned(progress: Progress, state: State) -> Learned:
    """What a version says of itself."""
    items = _counts(state, "item", "item_stats", lambda name: int(name[1:]))
    return Learned(progress, items, _counts(state, "user", "user", _number))


def compare(log: Log, absent: int, found: Learned, events: str, others: Mapping[str, Mapping[int, int]]) -> Findings:
    """Hold a version against the log.

    Args:
        log: The topic `events`.
        absent: Acknowledged events that are not in it, from `missing`.
        found: The version.
        events: Name of the topic.
        others: Other topics that the learner reads: topic -> partition -> next offset.
    """
    progress = found.progress
    places = {events: {partition: len(code) for partition, code in log.code.items()}, **others}
    digest = sum(batch_digest(t, p, np.arange(end)) for t, each in places.items() for p, end in each.items())
    records = sum(end for each in places.values() for end in each.values())
    first = _first(log)
    code, user, item = (np.concatenate(list(column.values())) for column in log[:3])
    unique, copies = int(first.sum()), int(len(code) - first.sum())
    counted, left_out = progress.outcomes.get("learnt", 0), progress.outcomes.get("duplicate", 0)
    other = {k: n for k, n in progress.outcomes.items() if n and k not in {"learnt", "duplicate", "fact"}}
    items_lost, items_twice = _differ(item[first], found.items)
    users_lost, users_twice = _differ(user[first], found.users)
    consumed = progress.consumed
    equal = digest % DIGEST_MODULUS == progress.digest
    lost = absent + max(items_lost, users_lost, unique - counted, records - consumed, 0)
    twice = max(items_twice, users_twice, counted - unique, consumed - records, 0)
    details = {
        "records_in_the_log": records,
        "records_consumed": consumed,
        "digest_equal": equal,
        "events_sent": unique,
        "events_learned": counted,
        "copies_in_the_log": copies,
        "copies_left_out": left_out,
        "other_outcomes": other,
        "acknowledged_and_not_in_the_log": absent,
        "by_item": {"lost": items_lost, "twice": items_twice},
        "by_user": {"lost": users_lost, "twice": users_twice},
    }
    return Findings(lost, twice, equal and copies == left_out and not other, details)


def _first(log: Log) -> NDArray[np.bool_]:
    """Whether a record is the first of its event, partitions one after the other. A user has one partition."""
    code = np.concatenate(list(log.code.values()))
    first = np.zeros(len(code), np.bool_)
    first[np.unique(code, return_index=True)[1]] = True
    return first


def _counts(state: State, space: str, table: str, number: Callable[[str], int]) -> dict[int, int]:
    """Events by number of the id, as the learning kernel counted them."""
    column = state.tables[table].columns["events"]
    return {number(key): int(column[row]) for key, row in state.keys[space].rows.items() if column[row]}


def _differ(sent: NDArray[np.int64], found: Mapping[int, int]) -> tuple[int, int]:
    """Events that ids have too few and too many of.

    >>> _differ(np.array([1, 1, 2]), {1: 1, 3: 1})
    (2, 1)
    """
    ids, counts = np.unique(sent, return_counts=True)
    expected = dict(zip(ids.tolist(), counts.tolist(), strict=True))
    differences = [found.get(each, 0) - expected.get(each, 0) for each in found.keys() | expected.keys()]
    return -sum(each for each in differences if each < 0), sum(each for each in differences if each > 0)


def wrong_histories(log: Log, store: Store, seed: int, begin: float) -> dict[str, Any]:
    """Users, of some drawn among all, whose history in Redis is not the newest of their actions in the log.

    `missing`: of each of the first of them, the seconds since `begin` of the actions that are not there.
    """
    first = _first(log)
    columns = (log.user, log.item, log.action, log.time)
    user, item, acted, time = (np.concatenate(list(column.values())) for column in columns)
    drawn = np.random.default_rng(seed).choice(np.unique(user), HISTORIES, replace=False)
    kept = first & acted & np.isin(user, drawn)
    user, item, time = user[kept], item[kept], time[kept]
    wrong: dict[str, list[float]] = {}
    for each in drawn.tolist():
        expected = [f"i{number:06d}" for number in item[user == each][::-1][: histories.CAP].tolist()]
        found = histories.parse(store.call(*histories.request(store.key, _name(each)))).items
        if found != expected:
            times = np.round(time[user == each][::-1] - begin, 1).tolist()
            wrong[_name(each)] = [times[at] for at in absent(expected, found)]
    return {"checked": len(drawn), "wrong": len(wrong), "missing": dict(list(wrong.items())[:SHOWN])}


def absent(expected: Sequence[str], found: Sequence[str]) -> list[int]:
    """Places of `expected` that `found`, in its order, does not have; none when there are only too many.

    >>> absent(["c", "b", "a", "b"], ["c", "a", "b"])
    [1]
    """
    places = [at for block in _matcher(expected, found) for at in range(block.a, block.a + block.size)]
    return sorted(set(range(len(expected))) - set(places))


def _matcher(expected: Sequence[str], found: Sequence[str]) -> list[Match]:
    return SequenceMatcher(None, expected, found, autojunk=False).get_matching_blocks()


def ledger(path: Path) -> NDArray[np.void]:
    """What a feeder wrote down."""
    return np.fromfile(path, PLACE)
