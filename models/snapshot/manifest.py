"""The manifest of a version, which describes it apart from its rows, in; sealed JSON out, and back. Stage 5."""

from __future__ import annotations

import hashlib
from typing import Any, Final, Literal

import msgspec

from models.ledger import Entry, Progress, Receipt
from models.snapshot.chunks import Damaged
from models.structs import Prepared

MAX_CAPACITY: Final = 1 << 27
"""Most rows of one key space, 134 million: beyond one machine; a made-up number cannot ask for terabytes."""

MAX_CHUNKS: Final = 1 << 16
"""Most chunks of one version: 64 GiB."""


class ChunkInfo(msgspec.Struct, metaclass=Prepared, frozen=True):
    """The manifest's entry for one chunk; `served`: the service needs it."""

    index: int
    size: int
    sha256: str
    served: bool


class Manifest(msgspec.Struct, metaclass=Prepared):
    """Describes a version, apart from its rows.

    Args:
        id: Id of the version.
        seq: Number of the version; it grows by one or more.
        kind: A base holds everything, a delta the rows changed since its parent.
        parent: Id of the version that a delta extends.
        replaces: Ids of versions after `parent` that Redis has lost. The delta holds every row that they changed, so
            who holds one of them applies it as well.
        beside: For a base that was compacted next to the chain, the id of the version whose state it holds.
        epoch: Number of the lease under which the version was written.
        owner: Who held that lease.
        created_at: Epoch seconds.
        schema_version: Number of the schema.
        schema: Hash of all declarations of the schema.
        progress: How far each partition was read, and what became of its records.
        evidence: What the learner reports of itself.
        chunks: The chunks that hold the rows.
        counts: Rows handed out in each key space.
        served_by: The contender in charge.
        erased: Users erased since the version before; for a base, all that are remembered.
        erasure_seq: Number of the version with the last erasure. Any earlier one may hold a user who is erased now.
        receipts: Receipts that are not yet known to be in Redis.
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
    replaces: list[str] = msgspec.field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes of all chunks."""
        return sum(chunk.size for chunk in self.chunks)


def seal(manifest: Manifest) -> bytes:
    """Write the manifest as JSON after its own SHA-256, so that damage shows without another record."""
    body = msgspec.json.encode(manifest)
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def unseal(raw: bytes) -> Manifest:
    """Read the manifest that `seal` wrote; Damaged if a byte of it has changed.

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
    """Return the bytes of a chunk if they are those that the manifest describes; Damaged otherwise."""
    if data is None:
        raise Damaged(f"chunk {info.index} is missing")
    if len(data) != info.size:
        raise Damaged(f"chunk {info.index} has {len(data)} bytes instead of {info.size}")
    if hashlib.sha256(data).hexdigest() != info.sha256:
        raise Damaged(f"chunk {info.index} does not match its SHA-256")
    return data
