"""Stores versions as chunks and manifests, with the pointers that name them. Stage 5."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Final, NamedTuple

from models.looking import Look, unhurried
from models.snapshot import ChunkInfo, Damaged, Manifest, unseal, verify
from streaming.ahead import ahead
from streaming.store.commands import Argument, Commands
from streaming.store.errors import Fenced, MissingChunk, Stale, WrongParent
from streaming.store.keyspace import ANCHOR, POINTERS
from streaming.store.leases import Lease

UPLOAD_TTL: Final = 3600
"""Seconds an uploaded chunk lives until its version is committed: what a dead learner uploaded expires. A slower upload
finds its first chunks gone (MissingChunk) and begins again."""

READ_TOGETHER: Final = 4
"""Chunks fetched in one round trip: enough to hide its latency, with at most 4 MiB of answers."""

GROUPS_AHEAD: Final = 2
"""Such groups fetched ahead of a caller who takes one chunk after the other."""


class VersionGone(Damaged):
    """The version is not in the store, or no longer."""


class Pointer(NamedTuple):
    """A version as a pointer or an index names it."""

    id: str
    seq: int


class VersionCommands(Commands):
    """The part of the store that holds versions."""

    def put_chunk(self, version: str, index: int, data: bytes) -> None:
        """Upload one chunk. It expires after `UPLOAD_TTL` unless its version is committed."""
        self.call("SET", self.key("c", version, index), data, "EX", UPLOAD_TTL)

    def commit(self, manifest: Manifest, sealed: bytes, lease: Lease) -> str:
        """Make the uploaded chunks a version. A base with `beside` joins that version; every other one becomes head.

        Args:
            manifest: Of the version.
            sealed: The manifest as bytes.
            lease: Proof that we are the one learner.

        Returns:
            "OK", or "DUP" when it was committed already.

        Raises:
            Fenced: Another learner owns the stream.
            Stale: Head is at this seq or beyond.
            WrongParent: Head is not the version that this one extends.
            MissingChunk: An uploaded chunk has expired.
        """
        chunks = [self.key("c", manifest.id, chunk.index) for chunk in manifest.chunks]
        meta = self.key("meta", manifest.id)
        if manifest.beside:
            names = [self.key(name) for name in ("bases", "epoch", "owner")]
            keys = [*names, meta, self.key("meta", manifest.beside), *chunks]
            answer = self.run("base", keys, [lease.epoch, lease.token, manifest.id, manifest.seq, sealed])
        else:
            names = [self.key(name) for name in ("head", "idx", "epoch", "owner")]
            keys = [*names, meta, self.key("bases"), *chunks]
            args: list[Argument] = [lease.epoch, lease.token, manifest.id, manifest.seq, manifest.parent, sealed]
            answer = self.run("commit", keys, args)
        return _accepted(answer.decode())

    def forget(self, versions: Mapping[str, int], pointers: Mapping[str, Pointer], lease: Lease) -> bool:
        """Unlink versions.

        Args:
            versions: Number of chunks by id of the version.
            pointers: The pointers by which these versions were found to be unused.
            lease: Proof that we are the one learner.

        Returns:
            False when a pointer has moved since: look again which versions are unused.

        Raises:
            Fenced: Another learner owns the stream.
        """
        names = [name for name in POINTERS if name != "head"]
        keys = [self.key(name) for name in ("idx", "bases", "epoch", "owner", *names, "gate")]
        for version, chunks in versions.items():
            keys += [self.key("meta", version), *(self.key("c", version, index) for index in range(chunks))]
        expected = [pointers[name].id if name in pointers else "" for name in names]
        stand = written(anchors_of(pointers))
        answer = self.run("forget", keys, [lease.epoch, lease.token, len(names), *expected, stand, *versions]).decode()
        return not answer.startswith("MOVED") and _accepted(answer) == "OK"

    def pointers(self) -> dict[str, Pointer]:
        """Read every pointer that is set: head, serving, prev, reference, pinned, anchor1, anchor2, ..."""
        commands = [("HMGET", self.key(name), "id", "seq") for name in POINTERS]
        *found, (stand,) = self.calls([*commands, ("HMGET", self.key("gate"), "anchors")])
        named = {name: Pointer(id_.decode(), int(seq)) for name, (id_, seq) in zip(POINTERS, found, strict=True) if id_}
        return named | {f"{ANCHOR}{place}": each for place, each in enumerate(_read_anchors(stand), 1)}

    def head(self) -> Pointer | None:
        """The newest version; None before the first."""
        return self._pointer("head")

    def serving(self) -> Pointer | None:
        """The version that the gate lets through; None before the first."""
        return self._pointer("serving")

    def _pointer(self, name: str) -> Pointer | None:
        id_, seq = self.call("HMGET", self.key(name), "id", "seq")
        return Pointer(id_.decode(), int(seq)) if id_ else None

    def versions(self) -> list[Pointer]:
        """The versions of the chain, oldest first, without the bases that stand next to it."""
        return self._index("idx")

    def bases(self) -> list[Pointer]:
        """Every base, in the chain and next to it, oldest first."""
        return self._index("bases")

    def _index(self, name: str) -> list[Pointer]:
        found = self.call("ZRANGE", self.key(name), 0, -1, "WITHSCORES")
        flat = [item for pair in found for item in pair] if found and isinstance(found[0], (list, tuple)) else found
        return [Pointer(id_.decode(), int(seq)) for id_, seq in zip(flat[::2], flat[1::2], strict=True)]

    def gone(self, version: str) -> bool:
        """Whether there is no such version, or no longer. Its manifest is not read."""
        return not self.call("EXISTS", self.key("meta", version))

    def manifest(self, version: str) -> Manifest:
        """Read the manifest of a version.

        Raises:
            VersionGone: There is no such version.
            Damaged: The manifest is not as it was written.
        """
        (found,) = self.manifests([version]).values()
        if isinstance(found, Damaged):
            raise found
        return found

    def manifests(self, versions: Sequence[str]) -> dict[str, Manifest | Damaged]:
        """Read the manifests of several versions in one round trip: each, or why it cannot be read."""
        if not versions:
            return {}
        raw = self.call("MGET", *(self.key("meta", version) for version in versions))
        return {version: _unsealed(version, data) for version, data in zip(versions, raw, strict=True)}

    def chunks(self, manifest: Manifest, served_only: bool = False, look: Look = unhurried) -> list[bytes]:
        """Read a version's chunks and compare each with its SHA-256; arguments and errors are those of `each_chunk`.

        `look` is called after each chunk; what it raises gives the reading up.
        """
        found = []
        for data in self.each_chunk(manifest, served_only):
            found.append(data)
            look()
        return found

    def each_chunk(self, manifest: Manifest, served_only: bool = False) -> Iterator[bytes]:
        """Read a version's chunks one after the other, each compared with its SHA-256.

        Args:
            manifest: Of the version.
            served_only: Leave out the chunks that only learning needs.

        Raises:
            Damaged: A chunk is missing, or not as it was written.
        """
        wanted = [chunk for chunk in manifest.chunks if chunk.served or not served_only]
        groups = [wanted[start : start + READ_TOGETHER] for start in range(0, len(wanted), READ_TOGETHER)]
        # Of a base the next chunks are fetched while the caller is busy with these.
        return ahead([partial(self._fetch, manifest.id, group) for group in groups], GROUPS_AHEAD)

    def chunks_of(
        self, manifests: Sequence[Manifest], served_only: bool = False, look: Look = unhurried
    ) -> list[list[bytes] | Damaged]:
        """Read the chunks of one version, or of several small ones in one round trip.

        Returns:
            Those of each version, or why they cannot be used.
        """
        if len(manifests) == 1:  # it may be large
            try:
                return [self.chunks(manifests[0], served_only, look)]
            except Damaged as error:
                return [error]
        wanted = [[chunk for chunk in each.chunks if chunk.served or not served_only] for each in manifests]
        keys = [
            self.key("c", manifest.id, chunk.index)
            for manifest, chunks in zip(manifests, wanted, strict=True)
            for chunk in chunks
        ]
        found = iter(self.call("MGET", *keys) if keys else [])
        return [_verified(chunks, list(islice(found, len(chunks)))) for chunks in wanted]

    def _fetch(self, version: str, wanted: Sequence[ChunkInfo]) -> list[bytes]:
        found: list[bytes | None] = self.call("MGET", *(self.key("c", version, chunk.index) for chunk in wanted))
        return [verify(chunk, data) for chunk, data in zip(wanted, found, strict=True)]


def _verified(wanted: Sequence[ChunkInfo], found: Sequence[bytes | None]) -> list[bytes] | Damaged:
    try:
        return [verify(chunk, data) for chunk, data in zip(wanted, found, strict=True)]
    except Damaged as error:
        return error


def anchors_of(pointers: Mapping[str, Pointer]) -> list[Pointer]:
    """The anchors among the pointers, the youngest age first.

    >>> anchors_of({"anchor2": Pointer("a", 1), "head": Pointer("c", 3), "anchor1": Pointer("b", 2)})
    [Pointer(id='b', seq=2), Pointer(id='a', seq=1)]
    """
    return [pointers[name] for name in sorted(pointers) if name.startswith(ANCHOR)]


def written(named: Sequence[Pointer]) -> str:
    """Anchors as the gate's field `anchors` has them: "id seq id seq ...".

    >>> written([Pointer("b", 2), Pointer("a", 1)])
    'b 2 a 1'
    """
    return " ".join(f"{each.id} {each.seq}" for each in named)


def _read_anchors(field: bytes | None) -> list[Pointer]:
    words = (field or b"").decode().split()
    return [Pointer(id_, int(seq)) for id_, seq in zip(words[::2], words[1::2], strict=True)]


def _accepted(answer: str) -> str:
    word, _, rest = answer.partition(" ")
    if word == "FENCED":
        raise Fenced(int(float(rest)))
    if word == "STALE":
        raise Stale(int(rest))
    if word == "PARENT":
        raise WrongParent(rest)
    if word == "MISSING":
        raise MissingChunk(rest)
    return word


def _unsealed(version: str, raw: bytes | None) -> Manifest | Damaged:
    if raw is None:
        return VersionGone(f"version {version} is not in the store")
    try:
        return unseal(raw)
    except Damaged as error:
        return error
