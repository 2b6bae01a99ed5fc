"""What is said of a version beside its rows: manifest in, sealed JSON out, and back. Stage 5."""

from __future__ import annotations

import hashlib
from typing import Any, Final, Literal

import msgspec

from models.ledger import Entry, Progress, Receipt
from models.snapshot.chunks import Damaged

MAX_CAPACITY: Final = 1 << 27
"""Rows of one key space, 134 million: far above one machine, so that a made-up row number can't ask for terabytes."""

MAX_CHUNKS: Final = 1 << 16
"""Chunks of one version: 64 GiB."""


class ChunkInfo(msgspec.Struct, frozen=True):
    """What the manifest says of one chunk; `served`: the service needs it."""

    index: int
    size: int
    sha256: str
    served: bool


class Manifest(msgspec.Struct):
    """Everything about a version but its rows. `seq` grows by one or more, `parent` is the version a delta extends.

    `beside`: of a base that was compacted next to the chain, the id of the version whose state it holds.
    `counts`: rows handed out in each key space. `created_at`: epoch seconds. `schema`: hash of all declarations.
    `erased`: users erased since the version before, of a base all that are remembered. `erasure_seq`: the version with
    the last erasure in it; every version before that may hold a user who is erased now. `receipts`: those which are not
    known to be in Redis yet.
    """

    id: str
    seq: int
    kind: Literal["base", "delta"]
    parent: str = ""
    beside: str = ""
    epoch: int = 0
    owner: str = ""
    created_at: float = 0.0
    schema_version: int = 0
    schema: str = ""
    progress: Progress = msgspec.field(default_factory=Progress)
    evidence: dict[str, Any] = msgspec.field(default_factory=dict)
    chunks: list[ChunkInfo] = msgspec.field(default_factory=list)
    counts: dict[str, int] = msgspec.field(default_factory=dict)
    served_by: str = ""
    erased: list[Entry] = msgspec.field(default_factory=list)
    erasure_seq: int = 0
    receipts: list[Receipt] = msgspec.field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes of all chunks."""
        return sum(chunk.size for chunk in self.chunks)


def seal(manifest: Manifest) -> bytes:
    """The manifest as JSON behind its own SHA-256, so that damage to it is seen without another record."""
    body = msgspec.json.encode(manifest)
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def unseal(raw: bytes) -> Manifest:
    """The manifest of `seal`; Damaged when a byte of it changed.

    >>> unseal(seal(Manifest("a", 1, "base"))).id
    'a'
    """
    seal_, _, body = raw.partition(b"\n")
    if hashlib.sha256(body).hexdigest().encode() != seal_:
        raise Damaged("the manifest does not match its SHA-256")
    try:
        manifest = msgspec.json.decode(body, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Damaged(f"manifest: {error}") from None
    if not all(0 <= count <= MAX_CAPACITY for count in manifest.counts.values()) or len(manifest.chunks) > MAX_CHUNKS:
        raise Damaged(f"manifest: {manifest.counts} rows, {len(manifest.chunks)} chunks")
    return manifest


def verify(info: ChunkInfo, data: bytes | None) -> bytes:
    """The bytes, when they are those the manifest speaks of; Damaged otherwise."""
    if data is None:
        raise Damaged(f"chunk {info.index} is missing")
    if len(data) != info.size:
        raise Damaged(f"chunk {info.index} has {len(data)} bytes instead of {info.size}")
    if hashlib.sha256(data).hexdigest() != info.sha256:
        raise Damaged(f"chunk {info.index} does not match its SHA-256")
    return data
