"""Erasures in; the user's history gone, once, and a receipt of it in Redis out. Stage 1 to 5.

A receipt is written by three hands, each its own fields: the service when it was asked for, the script that removes the
history, the learner once a version without the user is committed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from models.ledger import Receipt, user_hash
from models.snapshot import Manifest
from streaming.live import showings as shown
from streaming.store import Commands, Store

TTL_SECONDS: Final = 400 * 86_400
"""How long a receipt can be read: longer than any version can hold the user. It names nobody."""

TOLD: Final = 10_000
"""Erasures that services can still read of: each looks every second."""


def asked_for(store: Commands, receipt: str, at: float) -> None:
    """Note when an erasure was asked for, epoch seconds. Raises StoreUnavailable."""
    key = store.key("erasure", receipt)
    store.calls([("HSET", key, "requested_at", repr(at)), ("EXPIRE", key, TTL_SECONDS)])


def forget_history(store: Commands, user_id: str, topic_id: str, place: tuple[int, int], receipt: str) -> None:
    """Remove a user's history, and pages shown, as the control record at `place` (partition, offset) orders it: once.

    Raises StoreUnavailable; then call again.
    """
    key = store.key
    names = [key("h-marks"), key("h", user_id), key("erasure", receipt), key("erased"), shown.name(key, user_id)]
    mark, user = f"{topic_id}:{place[0]}", str(user_hash(user_id))
    store.run("erase", names, [mark, place[1], TTL_SECONDS, user, TOLD, shown.MARGIN, shown.TTL_SECONDS])


def committed(store: Commands, receipts: Sequence[Receipt], version: Manifest) -> None:
    """Say in each receipt what the model lost, and the first version without the user. Raises StoreUnavailable."""
    commands: list[tuple[str | float, ...]] = []
    for receipt in receipts:
        key = store.key("erasure", receipt.id)
        counts = ("user_row", receipt.user_row, "interactions", receipt.interactions)
        more = ("dedupe_entries", receipt.dedupe_entries, "erased_at", repr(receipt.erased_at))
        # The first version counts: a learner that died before it knew tells it again, from a later one.
        commands += [("HSETNX", key, "version", version.id), ("HSETNX", key, "seq", version.seq)]
        commands += [("HSET", key, *counts, *more), ("EXPIRE", key, TTL_SECONDS)]
    if commands:
        store.calls(commands)


def read(store: Commands, receipt: str) -> dict[str, str]:
    """The fields of a receipt, {} for one that is not known. Raises StoreUnavailable."""
    found = store.call("HGETALL", store.key("erasure", receipt))
    pairs = found.items() if isinstance(found, dict) else zip(found[::2], found[1::2], strict=True)
    return {name.decode(): value.decode() for name, value in pairs}


def holding(store: Store, seq: int) -> tuple[int, list[str]]:
    """How many versions before `seq` are kept, and the pointers that name one of them. Raises StoreUnavailable."""
    below = f"({seq}"
    counts = store.calls([("ZCOUNT", store.key(name), "-inf", below) for name in ("idx", "bases")])
    named = sorted(name for name, pointer in store.pointers().items() if pointer.seq < seq)
    return max(map(int, counts)), named


class Receipts:
    """Receipts of the learner on their way: noted, carried by versions, told to Redis once one is committed.

    `note` and `waiting` are for the learner's thread, `landed` for whoever commits.
    """

    def __init__(self, store: Commands, start: Manifest | None = None) -> None:
        self._store = store
        self._waiting: dict[str, Receipt] = {}
        if start is not None and start.receipts:
            committed(store, start.receipts, start)

    def note(self, receipt: Receipt) -> None:
        """A user was erased from the state that the next version holds."""
        self._waiting[receipt.id] = receipt

    @property
    def waiting(self) -> list[Receipt]:
        """What the next version must carry."""
        return list(self._waiting.values())

    def landed(self, version: Manifest) -> None:
        """A version is committed: its receipts can be told. Raises StoreUnavailable, and they wait for the next."""
        committed(self._store, version.receipts, version)
        for receipt in version.receipts:
            self._waiting.pop(receipt.id, None)


__all__ = ["Receipts", "asked_for", "committed", "forget_history", "holding", "read"]
