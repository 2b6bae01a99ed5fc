"""The only room that talks to Redis: commands, scripts, keys, versions, leases, leadership and errors."""

from streaming.store.commands import Argument, Commands
from streaming.store.errors import (
    KINDS,
    CommitRefused,
    Fenced,
    MissingChunk,
    Stale,
    StoreError,
    StoreUnavailable,
    WrongParent,
)
from streaming.store.gate import AUDIT_ENTRIES, GateRecord
from streaming.store.keyspace import Keyspace
from streaming.store.leadership import Leadership, stand_by
from streaming.store.leases import Lease
from streaming.store.store import QuickStore, Store
from streaming.store.versions import Pointer, VersionGone, anchors_of

__all__ = [
    "AUDIT_ENTRIES",
    "KINDS",
    "Argument",
    "Commands",
    "CommitRefused",
    "Fenced",
    "GateRecord",
    "Keyspace",
    "Leadership",
    "Lease",
    "MissingChunk",
    "Pointer",
    "QuickStore",
    "Stale",
    "Store",
    "StoreError",
    "StoreUnavailable",
    "VersionGone",
    "WrongParent",
    "anchors_of",
    "stand_by",
]
