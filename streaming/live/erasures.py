"""Erases users from Redis, once each, and keeps a receipt of every erasure. Stage 1 to 5.

Three writers fill a receipt, each its own fields: the service when the erasure is requested, the script that removes
the history, and the learner once a version without the user is committed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from models.ledger import Receipt, user_hash
from models.snapshot import Manifest
from streaming.live import histories, identities, showings
from streaming.live.beats import checked
from streaming.store import Argument, Commands, Store

TTL_SECONDS: Final = 400 * 86_400
"""Seconds that a receipt is kept: longer than any version can hold the user. It does not name the user."""

LOG_ENTRIES: Final = 10_000
"""Erasures in the log that services follow; each looks every second."""

REPEATED: Final = 1_000
"""Receipts that are written again when Redis went back: those of the last versions are enough."""


_pack: Final = msgspec.msgpack.Encoder().encode


def asked_for(store: Commands, receipt: str, at: float) -> None:
    """Note when an erasure was requested, in epoch seconds. Raises StoreUnavailable."""
    key = store.key("erasure", receipt)
    store.calls([("HSET", key, "requested_at", repr(at)), ("EXPIRE", key, TTL_SECONDS)])


def forget_history(
    store: Commands,
    user_id: str,
    topic_id: str,
    place: tuple[int, int],
    receipt: str,
    beat: int = 0,
    others: Sequence[str] = (),
) -> int:
    """Remove a user's history, attributes and the slates shown to the user, once for each order.

    Ids that Redis still has as the user's are erased as well: one that went back may know of more than the learner.

    Args:
        store: Where they are.
        user_id: The user.
        topic_id: Id of topic `control`.
        place: Partition and offset of the order in it.
        receipt: Id of the receipt to note the counts in.
        beat: The beat seen last.
        others: Ids that are joined with the user.

    Returns:
        The beat now.

    Raises:
        WentBack: Redis holds less than it did; nothing was erased.
        StoreUnavailable: Call again with the same arguments.
    """
    key = store.key
    users = identities.known(store, (user_id, *others))
    names = [key("h-marks"), key("erasure", receipt), key("erased")]
    names += [*identities.hashes(key), identities.attributes(key), histories.users_key(key)]
    names += [name for user in users for name in (key("h", user), showings.name(key, user))]
    told = _pack([(user, str(user_hash(user))) for user in users])
    kept: list[Argument] = [TTL_SECONDS, LOG_ENTRIES, showings.MARGIN, showings.TTL_SECONDS]
    return checked(store.run("erase", names, [f"{topic_id}:{place[0]}", place[1], *kept, told, beat]))


def committed(store: Commands, receipts: Sequence[Receipt], version: Manifest) -> None:
    """Note in each receipt what the model lost, and the first version without the user. Raises StoreUnavailable."""
    commands: list[tuple[str | float, ...]] = []
    for receipt in receipts:
        key = store.key("erasure", receipt.id)
        counts = ("user_row", receipt.user_row, "interactions", receipt.interactions)
        more = ("dedupe_entries", receipt.dedupe_entries, "erased_at", repr(receipt.erased_at))
        # The first version counts: a learner that died before it knew repeats this for a later one.
        commands += [("HSETNX", key, "version", version.id), ("HSETNX", key, "seq", version.seq)]
        commands += [("HSET", key, *counts, *more), ("EXPIRE", key, TTL_SECONDS)]
    if commands:
        store.calls(commands)


def read(store: Commands, receipt: str) -> dict[str, str]:
    """Read the fields of a receipt, {} for an unknown one. Raises StoreUnavailable."""
    found = store.call("HGETALL", store.key("erasure", receipt))
    pairs = found.items() if isinstance(found, dict) else zip(found[::2], found[1::2], strict=True)
    return {name.decode(): value.decode() for name, value in pairs}


def holding(store: Store, seq: int) -> tuple[int, list[str]]:
    """Count the versions before `seq` that are kept, and list the pointers that name one. Raises StoreUnavailable."""
    below = f"({seq}"
    counts = store.calls([("ZCOUNT", store.key(name), "-inf", below) for name in ("idx", "bases")])
    named = sorted(name for name, pointer in store.pointers().items() if pointer.seq < seq)
    return max(map(int, counts)), named


class Receipts:
    """The learner's receipts on their way: noted, carried by versions, written to Redis once one is committed.

    The learner's thread calls `note` and `waiting`, the committing thread `landed`, the one that writes histories
    `repeat`.

    Args:
        store: Where receipts are written.
        start: The version that learning begins from; its receipts are written again, as its learner may have died
            before it wrote them.
    """

    def __init__(self, store: Commands, start: Manifest | None = None) -> None:
        self._store = store
        self._waiting: dict[str, Receipt] = {}
        self._landed: dict[str, Receipt] = {}
        if start is not None and start.receipts:
            committed(store, start.receipts, start)

    def note(self, receipt: Receipt) -> None:
        """Note that a user was erased from the state that the next version holds."""
        self._waiting[receipt.id] = receipt

    @property
    def waiting(self) -> list[Receipt]:
        """The receipts that the next version must carry."""
        return list(self._waiting.values())

    def landed(self, version: Manifest) -> None:
        """Write the receipts of a committed version. Raises StoreUnavailable; then they wait for the next version."""
        committed(self._store, version.receipts, version)
        for receipt in version.receipts:
            self._waiting.pop(receipt.id, None)
            self._landed[receipt.id] = receipt
        for oldest in list(self._landed)[:-REPEATED]:
            del self._landed[oldest]

    def repeat(self) -> None:
        """Have the latest receipts written again with the next version: Redis went back, perhaps behind them."""
        for receipt in list(self._landed.values()):
            self._waiting.setdefault(receipt.id, receipt)
