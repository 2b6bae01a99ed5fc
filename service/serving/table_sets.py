"""Holds the served version in one of two table sets, and swaps to the other. Stage 7.

Requests read the active set, a background thread writes the idle one. A request holds one set until its end, so that no
answer mixes two versions; the idle set is written only after the last request has left it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from models.looking import unhurried
from models.recommender import CONTENDERS, Ranker, best_source
from models.snapshot import Damaged, Manifest
from models.state import Schema, State, duplicate
from streaming.store import Store, VersionGone
from streaming.thread_turns import resting
from streaming.versions import DeltaCache
from streaming.versions import loading as versions

LEAVE_DEADLINE: Final = 5.0
"""Seconds to wait for the last request on a set; a request holds one for about a millisecond. After that the set is
left to the request and the version is loaded into new tables, which costs memory, not correctness."""


class TableSet:
    """Tables of one version, the ranker over them, and how many requests are reading them."""

    def __init__(self, state: State, manifest: Manifest) -> None:
        self.state = state
        self.manifest = manifest
        self.recommender = Ranker(state)
        self.baseline = False
        self._lock = threading.Lock()
        self._readers = 0

    @property
    def id(self) -> str:
        """The version these tables hold."""
        return self.manifest.id

    @property
    def order(self) -> str | None:
        """The contender that the gate lets order lists: the baseline, or None for the contender in charge."""
        return CONTENDERS[best_source(self.state.served.race)] if self.baseline else None

    def contender(self, wanted: str | None) -> str | None:
        """The contender that orders when an experiment wants `wanted`; None for the one in charge."""
        if wanted is None:
            return self.order
        if wanted == "shadow":
            return CONTENDERS[best_source(self.state.served.race)]
        return "popularity_middle" if wanted == "popularity" else wanted

    @property
    def items(self) -> int:
        """Items with a row."""
        return len(self.state.keys["item"])

    @contextmanager
    def reading(self) -> Iterator[TableSet]:
        """Keep these tables as they are until the block ends."""
        with self._lock:
            self._readers += 1
        try:
            yield self
        finally:
            with self._lock:
                self._readers -= 1

    def left(self, deadline: float) -> bool:
        """Wait until no request reads. Returns False when one still does after `deadline` seconds."""
        limit = time.monotonic() + deadline
        while self._readers:
            if time.monotonic() > limit:
                return False
            time.sleep(0.0005)
        return True


class TableSets:
    """The two sets, and a third one for the reference, so that a rollback reads nothing.

    `active` may be read from any thread; everything else is for the one background thread.
    """

    def __init__(self, store: Store, schema: Schema, rest: Callable[[float], object] = time.sleep) -> None:
        """`rest` is told for how many seconds the background thread should do nothing."""
        self._store = store
        self._schema = schema
        self._rest = rest
        self._active: TableSet | None = None
        self._idle: TableSet | None = None
        self._kept: TableSet | None = None
        self._baseline = False
        self._recent = DeltaCache()

    @property
    def active(self) -> TableSet | None:
        """The set that answers requests, None before the first version."""
        return self._active

    @property
    def idle(self) -> TableSet | None:
        """The set that is being prepared, None when there is none."""
        return self._idle

    @property
    def kept(self) -> TableSet | None:
        """The set that holds the reference, None when there is none."""
        return self._kept

    @property
    def nbytes(self) -> int:
        """Bytes of all sets together."""
        return sum(each.state.nbytes() for each in (self._active, self._idle, self._kept) if each is not None)

    @contextmanager
    def hold_reference(self) -> Iterator[TableSet | None]:
        """The set that holds the reference, unchanged until the block ends; the active one while there is none."""
        while (tables := self._kept) is not None:
            with tables.reading():
                if tables is self._kept:
                    tables.baseline = self._baseline
                    yield tables
                    return
        with self.hold() as active:
            yield active

    @contextmanager
    def hold(self) -> Iterator[TableSet | None]:
        """The active set, unchanged until the block ends."""
        while (tables := self._active) is not None:
            with tables.reading():
                # Between the look and the count a swap may have made it idle: then it may be written to already.
                if tables is self._active:
                    yield tables
                    return
        yield None

    def prepare(self, version: str, *, or_older: bool = False) -> str:
        """Bring the idle set to a version.

        Args:
            version: Id of the version.
            or_older: Whether the newest sound version before it may take the place of a damaged one.

        Returns:
            How: `kept` (the set held it already), `apply` (deltas onto the set), `copy` (there was no idle set, or the
            version is the one that is kept: deltas onto a copy of the served or the kept one) or `load` (a base).

        Raises:
            VersionGone: The version is not in the store, and `or_older` is False.
            Damaged: The version is damaged, and `or_older` is False.

        It also raises what the store and `streaming.versions.loading` raise. The idle set is then dropped, never left
        between two versions.
        """
        idle = self._idle
        if idle is not None and idle.id == version:
            return "kept"
        self._idle = None
        if self._kept is not None and self._kept.id == version:
            self._idle = _twin(self._kept)
            return "copy"
        how = "apply"
        near = self._active or self._kept
        if idle is None and near is not None:
            idle, how = _twin(near), "copy"
        if idle is not None and self._advance(idle, version):
            self._idle = idle
            return how
        if not or_older and self._store.gone(version):
            # Before an older version is loaded in its place, in vain.
            raise VersionGone(f"version {version} is not in the store")
        self._idle = self._load(version, or_older)
        return "load"

    def _advance(self, idle: TableSet, version: str) -> bool:
        if idle.id == version:
            return True
        if not idle.left(LEAVE_DEADLINE):
            return False
        try:
            idle.manifest = versions.advance(
                self._store, idle.state, idle.id, version, served_only=True, recent=self._recent, between=self._breath()
            )
        except versions.NeedsBase:
            return False
        return True

    def _breath(self) -> Callable[[], None]:
        """What rests between two deltas while requests are answered: after a hold of a minute there are sixty."""
        return unhurried if self._active is None else resting(self._rest)

    def _load(self, version: str, or_older: bool) -> TableSet:
        loaded = versions.load(self._store, version, self._schema, served_only=True, look=self._breath())
        if loaded is None or (loaded.manifest.id != version and not or_older):
            raise Damaged("; ".join(loaded.skipped.values()) if loaded is not None else f"no version {version}")
        return TableSet(loaded.state, loaded.manifest)

    def keep(self, version: str) -> None:
        """Hold a version in the third set: copied from a set that holds it, brought forward by deltas, or loaded.

        Raises what `prepare` raises; then no version is kept.
        """
        kept, self._kept = self._kept, None
        if kept is not None and kept.id == version:
            self._kept = kept
            return
        tables = next((each for each in (self._active, self._idle) if each is not None and each.id == version), None)
        if tables is not None:
            self._kept = _twin(tables)
        elif kept is not None and self._advance(kept, version):
            self._kept = kept
        else:
            self._kept = self._load(version, False)

    def swap(self, baseline: bool | None = None) -> None:
        """Let the idle set answer from now on; the other one becomes idle.

        `baseline` is as in `serve_baseline`, from the same request on; None leaves it as it is.
        """
        assert self._idle is not None, "nothing was prepared"
        if baseline is not None:
            self._baseline = baseline
        self._idle.baseline = self._baseline
        self._active, self._idle = self._idle, self._active

    def serve_baseline(self, wanted: bool) -> None:
        """Set whether the baseline orders slates, from the next request on."""
        self._baseline = wanted
        if self._active is not None:
            self._active.baseline = wanted

    def drop_idle(self) -> None:
        """Forget the idle set and the deltas that made it: no further version may be built upon them."""
        self._idle = None
        self._recent = DeltaCache()


def _twin(tables: TableSet) -> TableSet:
    return TableSet(duplicate(tables.state), tables.manifest)


__all__ = ["TableSet", "TableSets"]
