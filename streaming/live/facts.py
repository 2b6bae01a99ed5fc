"""Brings the facts of items to every service within a second, by way of Redis and outside versions. Stage 1 to 7.

A hash holds the newest facts of every item. A bounded log numbers the changes 1, 2, 3, ... and names their items. A
follower reads the facts of those items from the hash, and the whole hash when it finds a gap in the numbers or another
store behind the address. Embeddings stay in the topic: nothing reads them here, and they would take most of the memory.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple, TypeAlias, cast

import msgspec

from models.looking import Look, unhurried
from models.records import ItemFacts, decode_checked, encode_item, named
from streaming.live.beats import REPAIR, checked
from streaming.store import Argument, Store, StoreUnavailable
from streaming.thread_turns import resting

log = logging.getLogger(__name__)

LOG_ENTRIES: Final = 20_000
"""Changes that a follower may be behind before it must read everything again. Entries are ids, so this is 2 MB."""

CHANGES_TOGETHER: Final = 500
"""Changes of one script, and items of one read. Facts have about 300 bytes; the longest allowed are some 70 KB."""

SCRIPT_BYTES: Final = 4 << 20
"""Bytes of facts in one script: Redis answers no other client until it is done."""

TOMBSTONES: Final = 100_000
"""Removed items that are remembered, the latest ones; some 20 MB. A removed item leaves the learned state as well, but
an event that still names it would bring it back: its tombstone keeps it off the pages. The item that was removed
longest ago is forgotten first: events have long stopped naming it."""

POLL_SECONDS: Final = 0.1
"""Seconds between two looks at the log. A change is visible within this and a round trip."""

CLOSE_SECONDS: Final = 2.0
"""Seconds for a follower's thread to end, many times what Redis may take to answer. After that it is left behind."""

STALE_SECONDS: Final = 2.0
"""Seconds without an answer after which a follower calls its facts stale."""

REMOVED: Final = b""
"""Stands in the hash for an item that the shop removed: unlike an unknown one it must not be recommended."""

UNREADABLE: Final = object()


class Completion(NamedTuple):
    """Facts that an event, or a record of topic `items`, says of an item in passing: taken where the item has none."""

    partition: int
    offset: int
    item: str
    facts: ItemFacts
    topic: str = "items"
    """Role of its topic, or the name of a topic of another shape; a record there may have several."""


FactChange: TypeAlias = tuple[int, int, str, ItemFacts | None] | Completion
"""One record of topic `items`: partition, offset, item id, its facts or None for a removed one. Or a completion."""


def topic_of(change: FactChange) -> str:
    """The topic that a change is from, by its role or, for one of another shape, its name."""
    return change.topic if isinstance(change, Completion) else "items"


def marked(topic: str, topic_id: str) -> str:
    """The name of a topic's watermarks of facts: those of events in the same topic have the topic's id alone."""
    return topic_id if topic == "items" else f"{topic_id}/facts"


_pack = msgspec.msgpack.Encoder().encode
_json = msgspec.json.Encoder().encode


def write(store: Store, changes: Sequence[FactChange], topic_id: str, beat: int = 0) -> int:
    """Store changes in their order, each once: offsets up to a partition's watermark change nothing.

    Args:
        store: Where facts are kept.
        changes: In the order of their offsets, all of one topic.
        topic_id: Name of its watermarks, as of `marked`.
        beat: The beat seen last.

    Returns:
        The beat now.

    Raises:
        WentBack: Redis holds less than it did; what is missing comes first.
        StoreUnavailable: Call again with the same changes.
    """
    keys = [store.key("facts"), *(store.key("facts", name) for name in ("log", "marks", "gone"))]
    for flat in _batches(changes):
        args: list[Argument] = [topic_id, secrets.token_hex(8), LOG_ENTRIES, TOMBSTONES, _pack(flat), beat]
        beat = checked(store.run("facts", keys, args))
    return beat


def _batches(changes: Sequence[FactChange]) -> Iterator[list[Any]]:
    """Split changes into arguments of one script each: partition, offset, id and facts, one after the other.

    What one record says stays in one script: its offset is the watermark then.
    """
    flat: list[Any] = []
    size, last = 0, (-1, -1)
    for change in changes:
        partition, offset, item, facts = change[:4]
        raw, length = _argument(change, facts)
        full = len(flat) >= 4 * CHANGES_TOGETHER or size + length > SCRIPT_BYTES
        if flat and full and last != (partition, offset):
            yield flat
            flat, size = [], 0
        flat += (partition, offset, item, raw)
        size, last = size + length, (partition, offset)
    if flat:
        yield flat


def _argument(change: FactChange, facts: ItemFacts | None) -> tuple[str | list[str], int]:
    """Facts as the script takes them, and their size: the whole as JSON, or names and values of a completion."""
    if isinstance(change, Completion):
        parts = [part for name, value in named(change.facts).items() for part in (name, _json(value).decode())]
        return parts, sum(map(len, parts))
    raw = REMOVED if facts is None else encode_item(_kept(facts))
    return raw.decode(), len(raw)


def _kept(facts: ItemFacts) -> ItemFacts:
    return facts if facts.embedding is None else msgspec.structs.replace(facts, embedding=None)


class FactsFollower:
    """Holds the facts of every item and follows their changes in a thread of its own. Reading is thread-safe.

    Args:
        store: Where facts are kept.
        poll: Seconds between two looks at the log.
        clock: Monotonic seconds.
        rest: Is told for how many seconds the thread should do nothing.
        changed: Called with the ids of items whose facts may have changed.

    Attributes:
        ready: Set once everything was read.
    """

    def __init__(
        self,
        store: Store,
        *,
        poll: float = POLL_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        rest: Callable[[float], object] = time.sleep,
        changed: Callable[[Sequence[str]], None] = lambda _: None,
    ) -> None:
        self._store, self._poll, self._clock, self._rest, self._changed = store, poll, clock, rest, changed
        self._facts: dict[str, ItemFacts] = {}
        self._categories: dict[str, dict[str, None]] = {}
        self._removed: dict[str, None] = {}  # in the order of their removal
        self._unavailable: set[str] = set()
        self._variants = 0
        self._lock = threading.Lock()
        self._origin: bytes | None = None
        self._number = 0
        self._answered = float("-inf")
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self.ready = threading.Event()

    def start(self) -> None:
        """Load and follow in the background. Returns at once; see `ready`."""
        self._thread = threading.Thread(target=self._run, name="facts", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop following."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(CLOSE_SECONDS)

    @property
    def stale(self) -> bool:
        """Whether Redis has not answered for `STALE_SECONDS`; the facts are then the last known ones."""
        return self._clock() - self._answered > STALE_SECONDS

    def __len__(self) -> int:
        return len(self._facts)

    def get(self, item_id: str) -> ItemFacts | None:
        """The item's facts; None for an unknown or a removed one."""
        return self._facts.get(item_id)

    @property
    def grouped(self) -> bool:
        """Whether any item is a variant of a product."""
        return self._variants > 0

    def hidden(self, item_id: str) -> bool:
        """Whether the item must not be shown: removed or not available."""
        return item_id in self._removed or item_id in self._unavailable

    def category(self, name: str, limit: int | None = None) -> list[str]:
        """Ids of the first `limit` items of a category (None: all), in the order they appeared; none that is hidden."""
        with self._lock:
            return list(islice(self._categories.get(name, ()), limit))

    def items(self) -> list[str]:
        """Ids of all items, in the order they appeared."""
        with self._lock:
            return list(self._facts)

    def shown(self, limit: int) -> list[str]:
        """Ids of the first `limit` items that are not hidden."""
        with self._lock:
            return list(islice((item for item in self._facts if item not in self._unavailable), limit))

    def categories(self) -> list[str]:
        """Names of all categories that have an item."""
        with self._lock:
            return [name for name, items in self._categories.items() if items]

    def step(self) -> int:
        """Apply what changed since the last step, everything in the first one; returns the number of changes.

        Raises:
            StoreUnavailable: Redis did not answer.
        """
        marks = self._store.key("facts", "marks")
        origin, number, repair = self._store.call("HMGET", marks, "store", "changes", REPAIR)
        if self._lost(origin, int(number or 0), repair):
            # Removed items would be on sale again. The last known facts count until the learner has written all again.
            return 0
        if origin != self._origin or int(number or 0) < self._number or not self.ready.is_set():
            count = self._load(origin, int(number or 0))
        else:
            count = self._follow(int(number or 0))
        self._answered = self._clock()
        self.ready.set()
        return count

    def _lost(self, origin: bytes | None, number: int, repair: bytes | None) -> bool:
        """Whether Redis went back or was emptied, and is not repaired yet."""
        if not self.ready.is_set() or self._origin is None:
            return False
        return repair is not None or origin is None or (origin == self._origin and number < self._number)

    def _run(self) -> None:
        last_message = ""
        while not self._closing.is_set():
            try:
                self.step()
                last_message = ""
            except StoreUnavailable as error:
                if str(error) != last_message:
                    last_message = str(error)
                    log.warning("item facts stay as they are: %s", error)
            self._closing.wait(self._poll)

    def _load(self, origin: bytes | None, number: int) -> int:
        """Read the hash. Changes made meanwhile are in the log after `number`; applying them twice is harmless."""
        seen: dict[str, None] = {}
        breath = self._breath()
        for pairs in _scanned(self._store):
            changed = self._apply(pairs)
            if self.ready.is_set():
                self._changed(changed)
            seen.update(dict.fromkeys([item for item, _ in pairs]))
            breath()
        if not self.ready.is_set():  # nobody asks yet, and together they take less
            self._changed([item for item in seen if item in self._facts or item in self._removed])
        # Item by item: a difference of two large sets keeps the interpreter from everybody until it is done.
        gone = [item for known in (self._facts, self._removed) for item in list(known) if item not in seen]
        with self._lock:
            for item in gone:
                self._forget(item)
                self._removed.pop(item, None)
        self._origin, self._number = origin, number
        return len(seen)

    def _follow(self, number: int) -> int:
        count = 0
        breath = self._breath()
        while self._number < number:
            if count:
                breath()
            after = f"{self._number + 1}-0"
            found = self._store.call("XRANGE", self._store.key("facts", "log"), after, "+", "COUNT", CHANGES_TOGETHER)
            if not found or int(found[0][0].split(b"-")[0]) != self._number + 1:
                return count + self._load(self._origin, number)
            self._read([_item(fields) for _, fields in found])
            self._number = int(found[-1][0].split(b"-")[0])
            count += len(found)
        return count

    def _breath(self) -> Callable[[], None]:
        """What rests between two parts, once the facts were read: then others of this process wait for its thread.

        After a failover of Redis everything is read again, and after a nightly upload nearly everything.
        """
        return resting(self._rest) if self.ready.is_set() else unhurried

    def _read(self, items: Sequence[str]) -> None:
        # Facts may be newer than the entry that names them. They are then read once more, which changes nothing.
        names = list(dict.fromkeys(items))
        found = self._store.call("HMGET", self._store.key("facts"), *names)
        pairs = [(item, REMOVED if raw is None else raw) for item, raw in zip(names, found, strict=True)]
        self._changed(self._apply(pairs))

    def _apply(self, pairs: Sequence[tuple[str, bytes]]) -> list[str]:
        """Take over what Redis holds of items; returns those that could be read."""
        decoded = [(item, facts) for item, raw in pairs if (facts := _decoded(item, raw)) is not UNREADABLE]
        new = {item: facts for item, facts in decoded if isinstance(facts, ItemFacts)}
        with self._lock:
            if len(new) == len(decoded) and self._facts.keys().isdisjoint(new) and not self._removed:
                self._put_new(new)
            else:
                for item, facts in decoded:
                    self._put(item, cast("ItemFacts | None", facts))
        return [item for item, _ in decoded]

    def _put_new(self, new: dict[str, ItemFacts]) -> None:
        """Take over the facts of items that are not known, as `_put` would: nearly all of a start are."""
        self._facts.update(new)
        self._variants += sum(facts.group_id is not None for facts in new.values())
        categories, unavailable = self._categories, self._unavailable
        for item, facts in new.items():
            if not facts.available:
                unavailable.add(item)
            elif (name := facts.category) is not None:
                listed = categories.get(name)
                if listed is None:
                    listed = categories[name] = {}
                listed[item] = None

    def _put(self, item: str, facts: ItemFacts | None) -> None:
        before = self._facts.get(item)
        if facts is None:
            self._forget(item)
            self._removed[item] = None
            if len(self._removed) > TOMBSTONES:
                del self._removed[next(iter(self._removed))]
            return
        if before is not None:
            if before.category != facts.category or not facts.available:
                self._forget(item)
            else:
                self._variants -= before.group_id is not None
        self._facts[item] = facts
        self._variants += facts.group_id is not None
        if self._removed:
            self._removed.pop(item, None)
        if not facts.available:
            self._unavailable.add(item)
            return
        if self._unavailable:
            self._unavailable.discard(item)
        if facts.category is not None:
            listed = self._categories.get(facts.category)
            if listed is None:
                listed = self._categories[facts.category] = {}
            listed[item] = None

    def _forget(self, item: str) -> None:
        facts = self._facts.pop(item, None)
        self._unavailable.discard(item)
        if facts is None:
            return
        self._variants -= facts.group_id is not None
        if facts.category is not None:
            self._categories.get(facts.category, {}).pop(item, None)


def _decoded(item: str, raw: bytes) -> ItemFacts | object | None:
    if raw == REMOVED:
        return None
    try:
        return decode_checked(raw)
    except msgspec.DecodeError as error:
        log.error("facts of item %r can't be read and stay as they were: %s", item, error)
        return UNREADABLE


def _scanned(store: Store) -> Iterator[list[tuple[str, bytes]]]:
    """Items and what the hash holds of them, some at a time; one that moves meanwhile may come twice."""
    cursor: int | bytes = 0
    while True:
        cursor, found = store.call("HSCAN", store.key("facts"), cursor, "COUNT", CHANGES_TOGETHER)
        yield _pairs(found)
        if not int(cursor):
            return


def _pairs(found: Any) -> list[tuple[str, bytes]]:
    flat = found.items() if isinstance(found, dict) else zip(found[::2], found[1::2], strict=True)
    return [(item.decode(), raw) for item, raw in flat]


def _item(fields: Any) -> str:
    known = fields if isinstance(fields, dict) else dict(zip(fields[::2], fields[1::2], strict=True))
    return str(known[b"i"].decode())


def removed_items(store: Store) -> list[str]:
    """Ids of the removed items that are remembered, the latest last. Raises StoreUnavailable."""
    return [item.decode() for item in store.call("ZRANGE", store.key("facts", "gone"), 0, -1)]


def stored_facts(store: Store, look: Look = unhurried) -> Iterator[tuple[str, ItemFacts]]:
    """Read the facts of every item from Redis, of some twice if they change meanwhile.

    Raises StoreUnavailable, and what `look` raises after each part.
    """
    for pairs in _scanned(store):
        for item, raw in pairs:
            facts = _decoded(item, raw)
            if isinstance(facts, ItemFacts):
                yield item, facts
        look()
