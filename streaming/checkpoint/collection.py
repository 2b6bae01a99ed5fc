"""Knows which versions there are, and unlinks those that nothing needs. Stage 5."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

import msgspec

from models.snapshot import Damaged, Manifest
from streaming.checkpoint.writer import VersionWriter
from streaming.store import CommitRefused, Store, StoreUnavailable
from streaming.versions import BESIDE


class VersionIndex:
    """The manifests of all versions, each fetched once. `collect` is safe to call from several threads.

    Args:
        store: Where versions are.
        writer: Unlinks them.
        failed: Takes an error that kept versions from being unlinked.

    Raises:
        StoreUnavailable: Redis is away.
    """

    def __init__(self, store: Store, writer: VersionWriter, failed: Callable[[Exception], None]) -> None:
        self._store, self._writer, self._failed = store, writer, failed
        self._lock = threading.Lock()
        self.versions: dict[str, Manifest] = {}
        self.refresh()

    def refresh(self) -> None:
        """Fetch the manifests that are new and forget those that are gone. Raises StoreUnavailable."""
        ids = {pointer.id for pointer in (*self._store.versions(), *self._store.bases())}
        for gone in set(self.versions) - ids:
            self.versions.pop(gone, None)
        for found in self._store.manifests(sorted(ids - set(self.versions))).values():
            if not isinstance(found, Damaged):
                self.note(found)

    def note(self, manifest: Manifest) -> None:
        """Take in a version that was committed. Its evidence is left out: of thousands it would take much memory."""
        self.versions[manifest.id] = msgspec.structs.replace(manifest, evidence={})

    def drop(self, lost: Iterable[str]) -> None:
        """Forget versions that Redis has lost, with the bases next to them."""
        for version in lost:
            self.versions.pop(version, None)
            self.versions.pop(version + BESIDE, None)

    def collect(self) -> None:
        """Unlink versions that neither a pointer nor the history needs. What fails is tried after the next base."""
        try:
            with self._lock:
                self.refresh()
                for gone in self._writer.collect(dict(self.versions)):
                    self.versions.pop(gone, None)
        except (StoreUnavailable, CommitRefused) as error:
            self._failed(error)
