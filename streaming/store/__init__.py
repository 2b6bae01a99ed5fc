"""The one door to Redis: commands, scripts, keys, leases, leadership, errors."""

from streaming.store.commands import Commands
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
from streaming.store.keyspace import Keyspace
from streaming.store.leadership import Leadership, stand_by
from streaming.store.leases import Lease
from streaming.store.store import Pointer, QuickStore, Store
from streaming.store.versions import VersionGone

__all__ = [
    "KINDS",
    "Commands",
    "CommitRefused",
    "Fenced",
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
    "stand_by",
]
