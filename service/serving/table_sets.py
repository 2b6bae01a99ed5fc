"""In: a version to be served. Out: one of two table sets that holds it, and the swap from one to the other. Stage 7.

Requests read the active set, a background thread writes the idle one. A request holds one set to its end, so that no
answer mixes two versions; the idle set is written only after the last request left it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from models.recommender import CONTENDERS, Ranker, best_source
from models.snapshot import Damaged, Manifest
from models.state import Schema, State, duplicate
from streaming.store import Store
from streaming.versions import DeltaCache
from streaming.versions import loading as versions

# Seconds to wait for the last request on a set; a request holds one for about a millisecond. After it the set is left
# to that request and the version is loaded into fresh tables, which costs memory and not correctness.
LEAVE_DEADLINE: Final = 5.0


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
        """Who orders lists, by the gate's decision: the best single source, or None for the contender in charge."""
        return CONTENDERS[best_source(self.state.served.race)] if self.baseline else None

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
        """Wait until nobody reads; False when somebody still does after `deadline` seconds."""
        limit = time.monotonic() + deadline
        while self._readers:
            if time.monotonic() > limit:
                return False
            time.sleep(0.0005)
        return True


class TableSets:
    """The two sets, and a third that holds the last known good version, so that going back to it reads nothing.

    `active` may be read from any thread; everything else is for the one background thread.
    """

    def __init__(self, store: Store, schema: Schema) -> None:
        self._store = store
        self._schema = schema
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
        """The set that holds the last known good version, None when there is none."""
        return self._kept

    @property
    def nbytes(self) -> int:
        """Bytes of all sets."""
        return sum(each.state.nbytes() for each in (self._active, self._idle, self._kept) if each is not None)

    @contextmanager
    def hold(self) -> Iterator[TableSet | None]:
        """The active set, unchanged until the block ends."""
        while (held := self._active) is not None:
            with held.reading():
                # Between the look and the count a swap may have made it idle: then it may be written to already.
                if held is self._active:
                    yield held
                    return
        yield None

    def prepare(self, version: str, *, or_older: bool = False) -> str:
        """Bring the idle set to `version`. Returns how: `kept` (it was there), `apply` (deltas onto it), `copy` (there
        was none, or it is the version that is kept: deltas onto a copy) or `load` (a base).

        A damaged version raises Damaged, unless `or_older` lets the newest sound one before it take its place. Raises
        what the store and `streaming.versions.loading` raise; the idle set is then dropped, never left in between.
        """
        idle = self._idle
        if idle is not None and idle.id == version:
            return "kept"
        self._idle = None
        if self._kept is not None and self._kept.id == version:
            self._idle = _twin(self._kept)
            return "copy"
        how = "apply"
        if idle is None and self._active is not None:
            idle, how = _twin(self._active), "copy"
        if idle is not None and self._advance(idle, version):
            self._idle = idle
            return how
        self._idle = self._load(version, or_older)
        return "load"

    def _advance(self, idle: TableSet, version: str) -> bool:
        if idle.id == version:
            return True
        if not idle.left(LEAVE_DEADLINE):
            return False
        try:
            idle.manifest = versions.advance(
                self._store, idle.state, idle.id, version, served_only=True, recent=self._recent
            )
        except versions.NeedsBase:
            return False
        return True

    def _load(self, version: str, or_older: bool) -> TableSet:
        loaded = versions.load(self._store, version, self._schema, served_only=True)
        if loaded is None or (loaded.manifest.id != version and not or_older):
            raise Damaged("; ".join(loaded.skipped.values()) if loaded is not None else f"no version {version}")
        return TableSet(loaded.state, loaded.manifest)

    def keep(self, version: str) -> None:
        """Hold `version` besides: copied from a set that holds it, brought forward by deltas, or loaded.

        Raises what `prepare` raises; nothing is kept then.
        """
        kept, self._kept = self._kept, None
        if kept is not None and kept.id == version:
            self._kept = kept
            return
        held = next((each for each in (self._active, self._idle) if each is not None and each.id == version), None)
        if held is not None:
            self._kept = _twin(held)
        elif kept is not None and self._advance(kept, version):
            self._kept = kept
        else:
            self._kept = self._load(version, False)

    def swap(self, baseline: bool | None = None) -> None:
        """Let the idle set answer from now on; the other one becomes idle. `baseline`: as `serve_baseline` has it, from
        the same request on; None leaves it as it is."""
        assert self._idle is not None, "nothing was prepared"
        if baseline is not None:
            self._baseline = baseline
        self._idle.baseline = self._baseline
        self._active, self._idle = self._idle, self._active

    def serve_baseline(self, wanted: bool) -> None:
        """Whether the best single source orders what is shown, from the next request on."""
        self._baseline = wanted
        if self._active is not None:
            self._active.baseline = wanted

    def drop_idle(self) -> None:
        """Forget the idle set, and the deltas that made it: what it holds must not be built upon."""
        self._idle = None
        self._recent = DeltaCache()


def _twin(held: TableSet) -> TableSet:
    return TableSet(duplicate(held.state), held.manifest)


__all__ = ["TableSet", "TableSets"]
