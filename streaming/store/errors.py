"""Why the store did not do what was asked, as exceptions that carry data.

StoreError
|-- StoreUnavailable(kind)     Redis is away, slow, full or read-only: try again later
`-- CommitRefused              Redis works and refuses: the same commit will be refused again
    |-- Fenced(epoch)          another learner owns the stream now: stop
    |-- Stale(seq)             head is already at this seq or beyond
    |-- WrongParent(head)      head is not the version this delta extends: extend head, or commit a base
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
"""All kinds there are; metric labels are made of them."""

ADVICE: Final[dict[Kind, str]] = {
    "timeout": "Redis did not answer in time; look at its load and at the network",
    "connection": "Redis can't be reached; is it running, and is redis.url right (rediss:// for TLS)?",
    "readonly": "this Redis is a replica; redis.url is resolved again, and must lead to the primary",
    "loading": "Redis is still loading its data; it will answer when it is done",
    "oom": "Redis is full; raise maxmemory, or free what else lives in it",
    "misconf": "Redis can't write to its disk; see its log",
    "auth": "Redis refused our name, password or rights; see redis.username, redis.password_file and the rights that "
    "docs/operations.md lists",
    "tls": "no safe connection to Redis; see redis.cafile, redis.check_hostname, if redis.url names its TLS port, and "
    "if its certificate has expired",
    "other": "Redis answers, and refused this command",
}


class StoreError(Exception):
    """The store did not do what was asked."""


class StoreUnavailable(StoreError):
    """Redis did not do it now. `kind` is one of `KINDS`."""

    def __init__(self, kind: Kind, detail: str) -> None:
        super().__init__(f"{ADVICE[kind]} ({detail})")
        self.kind = kind


class CommitRefused(StoreError):
    """Redis works and refuses this version."""


class Fenced(CommitRefused):
    """Another learner acquired the stream after us, and learns again what we have learned since then."""

    def __init__(self, epoch: int) -> None:
        super().__init__(f"another learner owns the stream (epoch {epoch}): this one must stop")
        self.epoch = epoch


class Stale(CommitRefused):
    """Head is at `seq` already, which is this version's or a later one."""

    def __init__(self, seq: int) -> None:
        super().__init__(f"head is already at seq {seq}")
        self.seq = seq


class WrongParent(CommitRefused):
    """Head is `head` ("" for none), not the version that this one extends."""

    def __init__(self, head: str) -> None:
        super().__init__(f"head is {head or 'empty'}, not the version that this one extends: Redis went back")
        self.head = head


class MissingChunk(CommitRefused):
    """A chunk had expired when its version was to be committed. `key` is its key."""

    def __init__(self, key: str) -> None:
        super().__init__(f"chunk {key} is not in Redis any more: upload it again")
        self.key = key
