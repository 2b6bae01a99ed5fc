"""Reads the audit, with something well-formed in the place of an entry that is no record.

Whoever can write to Redis can write over the audit. What is found there must neither end a page nor go unnoticed: the
stand-in is shown like a record, and `models.gate.audit` complains of it.
"""

from __future__ import annotations

import msgspec

from models.gate import audit
from models.structs import Prepared
from streaming.store import Store


class _Shape(msgspec.Struct, metaclass=Prepared):
    """What a record of any release has, of what is read here."""

    at: float
    revision: int
    actor: str
    action: str
    reasons: list[str]
    from_version: str
    to_version: str
    hash: str
    detail: str = ""
    mode_before: str = ""
    mode_after: str = ""
    numbers: dict[str, float | None] = {}


def recorded(store: Store, count: int, before: str = "+") -> list[tuple[str, bytes]]:
    """Read the newest `count` records older than entry id `before`: (entry id, record), newest first.

    Raises:
        StoreUnavailable: Redis does not answer.
    """
    return [(entry, _shown(entry, raw)) for entry, raw in store.decisions(count, before)]


def _shown(entry: str, raw: bytes) -> bytes:
    """The record, or its stand-in.

    >>> _shown("5000-0", b"garbage")[:35]
    b'{"at":5.0,"revision":0,"actor":"","'
    """
    try:
        msgspec.json.decode(raw, type=_Shape)
    except msgspec.DecodeError as error:
        at = int(entry.partition("-")[0]) / 1000.0
        return audit.stand_in(at, f"entry {entry} of the audit is no record: {error}")
    return raw


__all__ = ["recorded"]
