"""Full copies in, bases next to the chain of deltas out, at a pace that leaves Redis to the deltas. Stage 5."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from models.snapshot import Manifest
from streaming.checkpoint.collection import VersionIndex
from streaming.checkpoint.writer import Cut, VersionWriter
from streaming.versions import bytes_since_base

BASE_FACTOR: Final = 2.0
"""A base is due when the deltas since the last one are this many times its size: a start then reads at most the bytes
of three bases."""

SMALLEST_BASE: Final = 1 << 20
"""Bytes that a base counts as at least, 1 MiB: a nearly empty model would write one after every delta."""

ERASURE_BASES: Final = 2
"""Bases that an erasure needs. With the second one in place the versions from before the erasure are unlinked, and
there is still a second copy in case one is damaged."""

ERASURE_SHARE: Final = 0.1
"""Share of the interval between bases that passes before a base for an erasure. With the usual ten minutes, a base is
written at most once a minute however many users are erased."""

BASE_RETRY_SECONDS: Final = 30.0
"""Pause after a base that was not written: each attempt copies everything."""


class Compactor:
    """Decides when a base is due, and writes it on a thread of its own once the version of the same state is committed.

    Args:
        writer: Writes the base.
        index: The versions there are.
        start: Id of the version that the state was loaded from, "" for a new state.
        interval: Seconds between two bases, at most.
        clock: Monotonic seconds.
        failed: Takes an error that kept a base from being written.
    """

    def __init__(
        self,
        writer: VersionWriter,
        index: VersionIndex,
        start: str,
        interval: float,
        clock: Callable[[], float],
        failed: Callable[[Exception], None],
    ) -> None:
        self._writer, self._index, self.interval, self._clock, self._failed = writer, index, interval, clock, failed
        self._deltas, self._base_size = bytes_since_base(index.versions, start)
        self._base_at = self._not_before = clock()
        self._erased_in = index.versions[start].erasure_seq if start in index.versions else 0
        self._job: Cut | None = None
        self._ready = False
        self.busy = False
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self.thread = threading.Thread(target=self._run, name="bases", daemon=True)
        self.thread.start()

    def due(self, now: float) -> bool:
        """Whether the next cut should be copied whole as well."""
        if self.busy or not (self._deltas or self.owed(now)) or now < self._not_before:
            return False
        large = self._deltas > BASE_FACTOR * max(self._base_size, SMALLEST_BASE)
        return large or now - self._base_at > self.interval or self.owed(now)

    def owed(self, now: float) -> bool:
        """Whether an erasure needs a base now: until it is written, old versions hold the erased users."""
        soon = now < self._not_before or now - self._base_at <= self.interval * ERASURE_SHARE
        if not self._erased_in or self.busy or soon:
            return False
        return len([seq for seq in self._bases() if seq >= self._erased_in]) < ERASURE_BASES

    def _bases(self) -> list[int]:
        return [manifest.seq for manifest in list(self._index.versions.values()) if manifest.kind == "base"]

    def offer(self, job: Cut) -> None:
        """Take a full copy whose version is about to be written."""
        with self._changed:
            self._job, self._ready, self.busy = job, False, True

    def landed(self, manifest: Manifest) -> None:
        """Note a committed version: a base, or one more delta since the last base."""
        with self._changed:
            self._erased_in = manifest.erasure_seq
            if manifest.kind == "base":
                self._deltas, self._base_size, self._base_at = 0, manifest.size, self._clock()
            else:
                self._deltas += manifest.size
            self._ready = self._job is not None and self._job.manifest.beside == manifest.id
            self._changed.notify_all()

    def drop(self) -> None:
        """Drop the full copy if its version was not committed: a base needs a version of the same state."""
        with self._changed:
            if self._job is not None and not self._ready:
                self._job, self.busy = None, False

    def close(self, timeout: float) -> None:
        """End the thread; a base that is being written is given up."""
        self._closing.set()
        with self._changed:
            self._changed.notify_all()
        self.thread.join(timeout)

    def _run(self) -> None:
        while not self._closing.is_set():
            self._write_next()

    def _write_next(self) -> None:
        """Wait for a full copy and write it. On return nothing holds it: the next one may be ten minutes away."""
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._closing.is_set())
            job, before = self._job, self._deltas
            self._job, self._ready = None, False
        if job is not None and not self._closing.is_set():
            self._write(job, before)
            self._base_at = self._clock()
            self.busy = False

    def _write(self, job: Cut, before: int) -> None:
        try:
            manifest = self._writer.write_base(job, self._closing.wait)
            if manifest is not None:
                self._index.note(manifest)
                with self._changed:
                    self._base_size, self._deltas = manifest.size, max(0, self._deltas - before)
                self._index.collect()
        except Exception as error:  # the chain is complete without it; a later cut tries again
            self._failed(error)
            self._not_before = self._clock() + BASE_RETRY_SECONDS
