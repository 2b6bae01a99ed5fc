"""Follows the pointers of the store: loads the version that they name into the table sets and swaps it in. Stage 6."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from typing import Final

from models.gate import Version
from models.snapshot import Damaged, Incompatible, Manifest, TooNew
from models.state import Schema
from service.gate.canary import inspect
from service.runtime import logs
from service.runtime.telemetry import Telemetry
from service.serving import TableSet, TableSets
from streaming.store import Pointer
from streaming.tracing import EVIDENCE, Tracer, about_version
from streaming.versions import NoSoundVersion

RETRY: Final = 0.5
RETRY_LIMIT: Final = 30.0
"""Seconds before another version is tried after one could not be used, doubled up to the limit. A learner that keeps
writing faulty versions would otherwise have this process load a base each second."""
SAY_SERVING: Final = 60.0
"""Seconds between two lines of the log that name the served version."""
WHOLE: Final = frozenset({"copy", "load"})
"""Ways of preparing tables that leave many new objects which stay."""
WARM_QUERIES: Final = 3
"""Canary queries put to a version that another service has examined already."""

UNUSABLE: Final = (Damaged, NoSoundVersion, TooNew, Incompatible)
"""Errors of a version that this service cannot load."""


class Backoff:
    """A pause that doubles with each failure in a row, from `RETRY` up to `RETRY_LIMIT` seconds.

    >>> backoff = Backoff()
    >>> backoff.waiting, backoff.failed(), backoff.waiting, backoff.succeeded()
    (False, None, True, None)
    """

    def __init__(self) -> None:
        self._failures = 0
        self._not_before = 0.0

    @property
    def waiting(self) -> bool:
        """Whether the pause is not over yet."""
        return time.monotonic() < self._not_before

    def failed(self) -> None:
        """Begin a pause."""
        self._failures += 1
        self._not_before = time.monotonic() + min(RETRY * 2 ** min(self._failures - 1, 16), RETRY_LIMIT)

    def succeeded(self) -> None:
        """Let the next failure be the first one again. A pause that has begun goes on."""
        self._failures = 0


class Follower:
    """Keeps the table sets on the versions that the pointers name. For one thread, the gatekeeper's."""

    def __init__(self, tables: TableSets, schema: Schema, telemetry: Telemetry, clock: Callable[[], float]) -> None:
        self._tables, self._schema, self._telemetry, self._clock = tables, schema, telemetry, clock
        self.backoff = Backoff()
        """Shared with the gatekeeper: a challenger that was refused delays the next attempt as well."""
        self.looked = False
        """Whether the pointers were read at least once."""
        self.head: Pointer | None = None
        """The newest version."""
        self.load_error = ""
        """Why the served version could not be loaded; empty when it is loaded."""
        self.tracer: Tracer | None = None
        """Follows recorded traces to the version that is served; None where tracing is off."""
        self.unkept = ""
        """The reference that could not be loaded, "" for none."""
        self._prepared_at = 0.0
        self._serving_logged_at = 0.0

    def follow(self, pointers: Mapping[str, Pointer], *, load: bool) -> bool:
        """Take over the pointers. `load`: load and serve the version that `serving` names.

        Returns:
            False when that version cannot be loaded. Then the newest sound version before it is served, or the one that
            was served last.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        serving = pointers.get("serving")
        followed = serving is None or not load or self._reach(serving, pointers.get("reference"))
        self.looked = True
        self.head = pointers.get("head")
        return followed

    def _reach(self, at: Pointer, reference: Pointer | None) -> bool:
        active, serving = self._tables.active, at.id
        if active is not None and active.id == serving:
            self.load_error = ""
            return True
        if self.load_error and self.backoff.waiting:
            return False
        if active is None and reference is not None and reference.seq < at.seq:
            # First the older one, from its base, and the other by deltas: a second base would keep the first model
            # that this process serves from being followed by the next.
            self.keep(reference.id)
        try:
            self.prepare(serving, or_older=active is None)
            self._warm()
            self.swap()
        except UNUSABLE as error:
            self._cannot_follow(serving, str(error))
            return False
        reached = self._tables.active
        if reached is not None and reached.id != serving:
            self._cannot_follow(serving, f"{serving} is damaged, {reached.id} is served in its place")
            return False
        self.backoff.succeeded()
        self.load_error = ""
        return True

    def _cannot_follow(self, serving: str, detail: str) -> None:
        self._telemetry.load_failures.inc()
        self.backoff.failed()
        if self.load_error != detail:
            logs.warn("served version cannot be loaded", version=serving, detail=detail)
        self.load_error = detail

    def _warm(self) -> None:
        """Ask a version that was decided on elsewhere a few queries: code and caches are warm before a request."""
        idle = self._tables.idle
        assert idle is not None
        found = inspect(idle.state, idle.recommender, self._schema, WARM_QUERIES, self._clock())
        if found.faults:
            logs.warn("served version has faults", version=idle.id, faults=found.faults, detail=found.detail)

    def prepare(self, version: str, *, or_older: bool = False) -> None:
        """Load a version into the idle tables. Raises what `TableSets.prepare` raises."""
        started, self._prepared_at = time.perf_counter(), self._clock()
        how = self._tables.prepare(version, or_older=or_older)
        if how in self._telemetry.loading:
            self._telemetry.loading[how].observe(time.perf_counter() - started)
        if how in WHOLE:
            # A full collection walks all objects, the code of every library included, and stops requests meanwhile.
            gc.freeze()

    def discard(self) -> None:
        """Drop a version that must not be served, and load the served one into the idle tables in its place."""
        self._telemetry.load_failures.inc()
        self.backoff.failed()
        # Nothing may be built upon what the idle tables hold now; they are loaded again from the served version.
        self._tables.drop_idle()
        if self._tables.active is not None:
            self.prepare(self._tables.active.id)

    def keep(self, reference: str) -> None:
        """Hold the reference, a version's id, at hand. Without it a rollback takes as long as loading a base."""
        if reference == self.unkept:
            return
        try:
            self._tables.keep(reference)
        except UNUSABLE as error:
            self.unkept = reference
            logs.warn("the reference is not at hand", version=reference, detail=str(error))

    def swap(self, baseline: bool | None = None) -> None:
        """Serve the idle tables. `baseline`: whether the baseline orders slates; None leaves that as it is."""
        before, idle = self._tables.active, self._tables.idle
        assert idle is not None
        started = time.perf_counter()
        self._tables.swap(baseline)
        self._telemetry.loading["swap"].observe(time.perf_counter() - started)
        self._report(before, idle)

    def _report(self, before: TableSet | None, active: TableSet) -> None:
        manifest = active.manifest
        self._telemetry.sequence.set(manifest.seq)
        self._telemetry.created.set(manifest.created_at)
        self._telemetry.items.set(active.items)
        self._telemetry.bytes.set(self._tables.nbytes)
        if before is not None:
            for moment in arrivals(before.manifest, manifest):
                self._telemetry.event_to_served.observe(max(0.0, self._clock() - moment))
        if self.tracer is not None and (before is None or learned_more(before.manifest, manifest)):
            found = manifest.evidence.get(EVIDENCE, [])
            contexts = [each for each in found if isinstance(each, str)] if isinstance(found, list) else []
            about = about_version(manifest.id, manifest.seq)
            self.tracer.happened("serve version", contexts, self._prepared_at, self._clock(), about)
        if before is None or time.monotonic() - self._serving_logged_at > SAY_SERVING:
            self._serving_logged_at = time.monotonic()
            logs.say("serving", version=manifest.id, seq=manifest.seq, items=active.items)


def arrivals(before: Manifest, after: Manifest) -> list[float]:
    """Record times (epoch seconds) of a sample of the events that `after` has learned and `before` had not."""
    if not learned_more(before, after):
        return []
    found = after.evidence.get("record_times", [])
    return [float(moment) for moment in found] if isinstance(found, list) else []


def learned_more(before: Manifest, after: Manifest) -> bool:
    """Whether the one has learned events that the other had not: a version that is gone back to has not."""
    return after.progress.consumed > before.progress.consumed


def version_of(manifest: Manifest) -> Version:
    """A manifest as the gate sees it."""
    progress = manifest.progress
    return Version(
        manifest.id, manifest.seq, manifest.created_at, progress.consumed, progress.offsets, progress.rebuilt
    )


__all__ = ["UNUSABLE", "Backoff", "Follower", "arrivals", "version_of"]
