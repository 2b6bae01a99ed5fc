"""What the store can answer instead of what was asked, as exceptions that carry data.

StoreError
|-- StoreUnavailable(kind)     Redis did not do it: away, slow, full, read-only. Try again later.
`-- CommitRefused              Redis is well and says no; trying the same again is of no use.
    |-- Fenced(epoch)          another learner owns the stream now: stop
    |-- Stale(seq)             head is already at or beyond this seq
    |-- WrongParent(head)      head is not the version this delta extends: commit a base
    `-- MissingChunk(key)      an uploaded chunk is gone: upload again
"""

from __future__ import annotations

from typing import Final, Literal

Kind = Literal["timeout", "connection", "readonly", "loading", "oom", "misconf", "auth", "tls", "other"]

KINDS: Final[tuple[Kind, ...]] = (
    "timeout",
    "connection",
    "readonly",
    "loading",
    "oom",
    "misconf",
    "auth",
    "tls",
    "other",
)
"""Closed, because metric labels are made of it."""

ADVICE: Final[dict[Kind, str]] = {
    "timeout": "Redis did not answer in time; look at its load and at the network",
    "connection": "Redis can't be reached; is it running, and is redis.url right (rediss:// for TLS)?",
    "readonly": "this Redis is a replica; point redis.url at the primary",
    "loading": "Redis is still loading its data; it will answer when it is done",
    "oom": "Redis is full; raise maxmemory, or free what else lives in it",
    "misconf": "Redis can't write to its disk; see its log",
    "auth": "Redis refused our name, password or rights; see redis.username, redis.password_file and the rights that "
    "docs/operations.md lists",
    "tls": "no safe connection to Redis; see redis.cafile, redis.check_hostname, and if redis.url names its TLS port",
    "other": "Redis answered with an error",
}


class StoreError(Exception):
    """The store did not do what was asked."""


class StoreUnavailable(StoreError):
    """Redis did not do it now. `kind` is one of KINDS."""

    def __init__(self, kind: Kind, detail: str) -> None:
        super().__init__(f"{ADVICE[kind]} ({detail})")
        self.kind = kind


class CommitRefused(StoreError):
    """Redis is well and refuses this version."""


class Fenced(CommitRefused):
    """Another learner acquired the stream after us: whatever we learnt since is learnt again there."""

    def __init__(self, epoch: int) -> None:
        super().__init__(f"another learner owns the stream (epoch {epoch}): this one must stop")
        self.epoch = epoch


class Stale(CommitRefused):
    """Head is already at `seq` or beyond."""

    def __init__(self, seq: int) -> None:
        super().__init__(f"head is already at seq {seq}")
        self.seq = seq


class WrongParent(CommitRefused):
    """Head is `head` (or nothing), not the version this one extends."""

    def __init__(self, head: str) -> None:
        super().__init__(f"head is {head or 'empty'}, not the version this one extends: a base is needed")
        self.head = head


class MissingChunk(CommitRefused):
    """A chunk is not there any more when its version is to be committed."""

    def __init__(self, key: str) -> None:
        super().__init__(f"chunk {key} is not in Redis any more: upload it again")
        self.key = key
