"""Keeps each user's newest actions in Redis, outside versions. Stage 1 to 7.

The learner learns from its own rings; the service reads these histories. A user's actions are in order of arrival.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import groupby, islice
from operator import itemgetter
from typing import Final, NamedTuple, TypeAlias

import msgspec

from streaming.live.beats import checked
from streaming.store import Argument, Commands, Keyspace, Store

CAP: Final = 128
"""Newest entries kept of a user; the recommender uses fewer."""

TTL_SECONDS: Final = 400 * 86_400
"""Seconds that a history stays after it was last renewed: one year's season and a month."""

RENEWAL: Final = 4
"""Entries of a user after which the history is renewed and cut to `CAP`; doing so at each entry doubles the work of
Redis. The first entry renews it too."""

ENTRIES_TOGETHER: Final = 500
"""Entries of one script, about 1 ms of Redis's single thread: readers may wait that long during a backfill."""

LOOKED_AT: Final = 1_000
"""Keys that Redis looks at in one step of a search for users: some 0.3 ms of its single thread."""

Entry: TypeAlias = tuple[int, int, float, int, str]
"""One event of a user: partition, offset, epoch seconds, kind (code of `models.records.events.KINDS`), item id."""


class StoredHistory(NamedTuple):
    """A user's actions, newest first: three lists of the same length, at most `CAP`."""

    items: list[str]
    times: list[float]
    kinds: list[int]


_pack = msgspec.msgpack.Encoder().encode
_json = msgspec.json.Encoder().encode


def write(
    store: Store,
    entries: Mapping[str, Sequence[Entry]],
    topic_id: str,
    *,
    ttl: int = TTL_SECONDS,
    cap: int = CAP,
    beat: int = 0,
) -> int:
    """Put every entry in front of its user's history. Sending an entry again has no further effect.

    A watermark per topic id and partition tells which entries were written before, so entries of one partition must
    come with ascending offsets over successive calls.

    Args:
        store: Where histories are kept.
        entries: By user id, oldest first.
        topic_id: Id of the topic that they come from.
        ttl: Seconds that a history stays after its last renewal.
        cap: Newest entries kept of a user.
        beat: The beat seen last.

    Returns:
        The beat now.

    Raises:
        WentBack: Redis holds less than it did; what is missing comes first.
        StoreUnavailable: Call again with the same entries.
    """
    partitions = {entry[0] for listed in entries.values() for entry in listed}
    if len(partitions) > 1 or sum(map(len, entries.values())) > ENTRIES_TOGETHER:
        return _write_in_parts(store, entries, topic_id, ttl, cap, beat)
    for partition in partitions:
        offsets = [entry[1] for listed in entries.values() for entry in listed]
        beginning, lists = store.key("h", ""), _elements(entries.values())
        keys = [store.key("h-marks"), users_key(store.key), *[beginning + user for user in entries]]
        mark = f"{topic_id}:{partition}"
        args: list[Argument] = [mark, min(offsets), max(offsets), ttl, cap, RENEWAL, _pack(lists), beat]
        args.append(len(beginning.encode()))
        beat = checked(store.run("histories", keys, args))
    return beat


def _elements(lists: Collection[Sequence[Entry]]) -> list[list[str]]:
    """The elements of Redis's lists, as `parse` reads them."""
    # Nearly every list has one entry, so all are written as one. Times come from one call, with the same digits as from
    # `repr`, the fewest that are exact, in a fifth of the time.
    entries = [entry for listed in lists for entry in listed]
    times = _json([entry[2] for entry in entries])[1:-1].decode().split(",") if entries else []
    elements = iter([
        f"{partition}:{offset} {time} {kind} {item}"
        for (partition, offset, _, kind, item), time in zip(entries, times, strict=True)
    ])
    return [[*islice(elements, len(listed))] for listed in lists]


def _write_in_parts(
    store: Store, entries: Mapping[str, Sequence[Entry]], topic_id: str, ttl: int, cap: int, beat: int
) -> int:
    """Write by offset, not by user: a watermark must not pass an entry that was not written yet.

    All entries of one record are written together. A record has no more than ENTRIES_TOGETHER of them.
    """
    flat = [(entry[0], entry[1], user, entry) for user, listed in entries.items() for entry in listed]
    flat.sort(key=itemgetter(0, 1))
    for _, group in groupby(flat, key=itemgetter(0)):
        together: list[tuple[str, Entry]] = []
        for _, record in groupby(group, key=itemgetter(1)):
            entries_of_record = [(user, entry) for _, _, user, entry in record]
            if together and len(together) + len(entries_of_record) > ENTRIES_TOGETHER:
                beat = _write_one(store, together, topic_id, ttl, cap, beat)
                together = []
            together += entries_of_record
        beat = _write_one(store, together, topic_id, ttl, cap, beat)
    return beat


def _write_one(store: Store, entries: Sequence[tuple[str, Entry]], topic_id: str, ttl: int, cap: int, beat: int) -> int:
    part: dict[str, list[Entry]] = {}
    for user, entry in entries:
        part.setdefault(user, []).append(entry)
    return write(store, part, topic_id, ttl=ttl, cap=cap, beat=beat)


def users_key(key: Keyspace) -> str:
    """The key of the sorted set of users who have a history or attributes (streaming/live/users.py)."""
    return key("users")


def users_of(store: Store) -> Iterator[str]:
    """Ids of the users that have a history, in no particular order; one may come twice.

    Raises:
        StoreUnavailable: Redis does not answer.
    """
    cursor = 0
    while True:
        cursor, users = some_users(store, cursor, LOOKED_AT)
        yield from users
        if cursor == 0:
            return


def some_users(store: Commands, cursor: int, looked_at: int) -> tuple[int, list[str]]:
    """One step of `users_of`: the next cursor, 0 after the last step, and the ids among some `looked_at` keys.

    Raises:
        StoreUnavailable: Redis does not answer.
    """
    beginning = store.key("h", "")
    after, keys = store.call("SCAN", cursor, "MATCH", f"{beginning}*", "COUNT", looked_at)
    return int(after), [key.decode().removeprefix(beginning) for key in keys]


def request(key: Keyspace, user_id: str, cap: int = CAP) -> tuple[str, str, int, int]:
    """The command that reads a history, for any kind of client; `parse` reads its answer.

    >>> request(Keyspace("main"), "ann")
    ('LRANGE', '{sluicegate:main}:h:ann', 0, 127)
    """
    return "LRANGE", key("h", user_id), 0, cap - 1


def parse(answer: Sequence[bytes]) -> StoredHistory:
    """The history in the answer to `request`.

    >>> parse([b"0:7 12.5 3 tea", b"0:6 11.0 0 earl grey"])
    StoredHistory(items=['tea', 'earl grey'], times=[12.5, 11.0], kinds=[3, 0])
    """
    items: list[str] = []
    times: list[float] = []
    kinds: list[int] = []
    for element in answer:
        _, time, kind, item = element.decode().split(" ", 3)
        items.append(item)
        times.append(float(time))
        kinds.append(int(kind))
    return StoredHistory(items, times, kinds)
