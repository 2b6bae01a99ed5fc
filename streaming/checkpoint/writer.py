"""A cut in, a committed version in Redis out: the numbered steps, and what a crash at each of them means. Stage 5.

    1 encode          the cut was only in memory: the records since the version before are read again.
    2 first chunk     nothing names the version; the uploaded chunks expire within the hour.
    3 other chunks    the same.
    4 commit script   the same before it; it runs whole or not at all, so there is no "during".
    5 lost answer     the version is head. Sent again, the script answers DUP; restarted, we load it and repeat nothing.
    6 mirror          Kafka's own offsets lag behind ours until the next version; only lag tools read them.
    7 base chunks     nothing names the base: the chain is complete without it.
    8 base script     as 4: with it loading can start from this base, without it from the one before.
    9 collect         unneeded versions are still there: the next collection finds them.

`failpoint("commit.N")` is called as step N begins; `commit.10` follows the last.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple, Protocol

import msgspec

from models.arrays import Array
from models.ledger import Admission, Erasures, Join, Progress, Receipt
from models.snapshot import Chunk, Manifest, describe, encode, seal
from models.state import MODEL, Changes, Schema, State
from streaming.store import Lease, Store
from streaming.versions import BESIDE, HISTORY_BYTES, unneeded

FAILPOINTS: Final = tuple(f"commit.{step}" for step in range(1, 11))
"""Every point at which an acceptance test kills the learner."""

BASE_BYTES_PER_SECOND: Final = 16 << 20
"""Pace at which a base is written, 16 MiB/s: slow enough that deltas and histories find Redis free between two chunks,
fast enough that 400 MB take less than a twentieth of ten minutes."""


COLLECT_TOGETHER: Final = 64
"""Versions unlinked by one script: a few milliseconds of Redis's one thread."""


class Hooks(Protocol):
    """Observes the checkpointer; called from its threads."""

    def phase(self, name: str, seconds: float) -> None:
        """One of cut, encode, upload and commit took so many seconds."""

    def committed(self, manifest: Manifest) -> None:
        """A version is in Redis, or a base of the same state as one."""

    def failed(self, kind: str, error: Exception) -> None:
        """A version was not committed, perhaps not yet; `kind` is one of FAILURES."""


class Silent:
    """Hooks that do nothing."""

    def phase(self, name: str, seconds: float) -> None:
        """Do nothing."""

    def committed(self, manifest: Manifest) -> None:
        """Do nothing."""

    def failed(self, kind: str, error: Exception) -> None:
        """Do nothing."""


class Cut(NamedTuple):
    """A copy of the contents of one version, made between two batches; the learner goes on."""

    manifest: Manifest
    changes: Changes
    arrivals: dict[str, Array]
    first_arrival: int
    joins: list[Join]


class EncodedCut(NamedTuple):
    """A cut as bytes, ready to be sent as often as necessary."""

    manifest: Manifest
    chunks: list[Chunk]


def take(state: State, manifest: Manifest, admission: Admission, since: Progress | None, changes: Changes) -> Cut:
    """What a version carries besides `changes`, copied now, between the same two batches.

    Args:
        state: The state that the changes are of.
        manifest: The draft.
        admission: The dedupe window and the joined ids.
        since: Where the version before ended, up to which it carried both; None copies all of them.
        changes: The rows of the version.
    """
    progress = manifest.progress
    stop = progress.arrivals
    window = admission.window(stop) if since is None else admission.since(since.arrivals, stop)
    first = 0 if since is None else since.identities
    joins = admission.identities.since(first, progress.identities, progress.erasures)
    arrays = {"event_hash": window.event_hash, "user_hash": window.user_hash, "time": window.time}
    counts = {name: keys.capacity for name, keys in state.keys.items() if name != MODEL}
    drafted = msgspec.structs.replace(manifest, counts=counts)
    return Cut(drafted, changes, arrays, stop - len(window.time), joins)


class VersionWriter:
    """The numbered steps, one after the other, in the caller's thread.

    Args:
        store: Where versions go.
        lease: The right to write them.
        schema: Schema of the state.
        hooks: Observes phases and versions.
        failpoint: Called with the name of each step.
        clock: Monotonic seconds.
        history_bytes: Bytes of history to keep, `unneeded` says of what.
    """

    def __init__(
        self,
        store: Store,
        lease: Lease,
        schema: Schema,
        hooks: Hooks,
        failpoint: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        history_bytes: int = HISTORY_BYTES,
    ) -> None:
        self._store, self._lease, self._schema = store, lease, schema
        self._hooks, self._failpoint, self._clock = hooks, failpoint, clock
        self._history_bytes = history_bytes

    def prepare(self, cut: Cut) -> EncodedCut:
        """Step 1. Raises NotFinite for a state with a NaN or an infinity, which is never written."""
        self._failpoint("commit.1")
        with self._timed("encode"):
            chunks = list(encode(cut.changes, self._schema, cut.arrivals, cut.first_arrival, joins=cut.joins))
            infos = [describe(index, chunk) for index, chunk in enumerate(chunks)]
        return EncodedCut(msgspec.structs.replace(cut.manifest, chunks=infos), chunks)

    def write(self, prepared: EncodedCut) -> Manifest:
        """Steps 2 to 5; may be repeated until it returns. Raises StoreUnavailable, CommitRefused."""
        manifest, chunks = prepared
        with self._timed("upload"):
            self._failpoint("commit.2")
            for index, chunk in enumerate(chunks):
                self._store.put_chunk(manifest.id, index, chunk.data)
                if not index:
                    self._failpoint("commit.3")
        self._failpoint("commit.4")
        with self._timed("commit"):
            self._store.commit(manifest, seal(manifest), self._lease)
        self._failpoint("commit.5")
        self._hooks.committed(manifest)
        return manifest

    def write_base(self, cut: Cut, pause: Callable[[float], bool]) -> Manifest | None:
        """Steps 7 and 8, chunk by chunk and paced: it never holds a second copy of everything.

        Args:
            cut: A full copy.
            pause: Waits so many seconds and returns whether to give up.

        Returns:
            The manifest of the base; None after giving up, when nothing names the uploaded chunks.
        """
        infos = []
        encoded = encode(cut.changes, self._schema, cut.arrivals, cut.first_arrival, joins=cut.joins)
        for index, chunk in enumerate(encoded):
            if not index:
                self._failpoint("commit.7")
            self._store.put_chunk(cut.manifest.id, index, chunk.data)
            infos.append(describe(index, chunk))
            if pause(len(chunk.data) / BASE_BYTES_PER_SECOND):
                return None
        manifest = msgspec.structs.replace(cut.manifest, chunks=infos)
        self._failpoint("commit.8")
        self._store.commit(manifest, seal(manifest), self._lease)
        self._hooks.committed(manifest)
        return manifest

    def collect(self, versions: Mapping[str, Manifest]) -> list[str]:
        """Step 9: unlink versions that neither a pointer nor the history needs; their ids."""
        self._failpoint("commit.9")
        pointers = self._store.pointers()
        gone: list[str] = []
        named = {pointer.id for pointer in pointers.values()}
        doomed = unneeded(versions, named, history_bytes=self._history_bytes)
        for start in range(0, len(doomed), COLLECT_TOGETHER):
            some = doomed[start : start + COLLECT_TOGETHER]
            if not self._store.forget({id_: len(versions[id_].chunks) for id_ in some}, pointers, self._lease):
                break
            gone += some
        self._failpoint("commit.10")
        return gone

    @contextmanager
    def _timed(self, phase: str) -> Iterator[None]:
        started = self._clock()
        yield
        self._hooks.phase(phase, self._clock() - started)


def base_of(cut: Manifest, erasures: Erasures) -> Manifest:
    """The manifest of the base that holds the same state as the version of this cut."""
    erased = erasures.since(0, cut.progress.erasures)
    return msgspec.structs.replace(
        cut, id=cut.id + BESIDE, kind="base", parent="", beside=cut.id, chunks=[], erased=erased, receipts=[]
    )


def with_erasures(
    draft: Manifest, parent: Manifest | None, erasures: Erasures, receipts: Sequence[Receipt]
) -> Manifest:
    """The draft with the users erased since `parent` (all of them without one) and the last version that erased any."""
    before, now = parent.progress.erasures if parent is not None else 0, draft.progress.erasures
    last = parent.erasure_seq if parent is not None and before == now else draft.seq if now else 0
    return msgspec.structs.replace(draft, erased=erasures.since(before, now), erasure_seq=last, receipts=list(receipts))


def failpoint(wanted: str) -> Callable[[str], None]:
    """A function that ends the process as a kill would, at the point of that name; at none for "". For crash tests."""

    def reached(name: str) -> None:
        if name == wanted:
            os._exit(137)

    return reached
