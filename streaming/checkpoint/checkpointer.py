"""State and progress in, one version after the other in Redis out, without the learner waiting for it. Stage 5.

One cut is uploaded at a time. Meanwhile later cuts are skipped and their rows stay marked, so the next delta is coarser
and no queue grows. A cut whose upload fails is sent again, the same bytes, until Redis has it. When Redis refuses a cut
because head is not the version that it extends, Redis went back: the next one extends the head that is there, with all
that changed since, and replaces the versions that are lost. When that head is too old, or gone, the next one is a base.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from models.ledger import Admission, Progress, Receipt
from models.looking import Interrupted, Look, asking, unhurried
from models.snapshot import Manifest, NotFinite
from models.state import Changes, Schema, State
from streaming.checkpoint.ancestry import Ancestry, mark_again
from streaming.checkpoint.collection import VersionIndex
from streaming.checkpoint.compaction import Compactor
from streaming.checkpoint.outcomes import failure_kind
from streaming.checkpoint.writer import (
    Cut,
    Hooks,
    Silent,
    VersionWriter,
    base_of,
    take,
    with_erasures,
)
from streaming.store import Fenced, Lease, MissingChunk, Stale, Store, StoreUnavailable, WrongParent
from streaming.versions import HISTORY_BYTES

log = logging.getLogger(__name__)

UPLOAD_SHARE: Final = 0.2
"""Largest share of the time spent uploading deltas: beyond it cuts become coarser."""

LONGEST_PAUSE: Final = 30.0
"""Seconds that cuts pause at most after a slow upload: it bounds what a crash repeats."""

RETRY_SECONDS: Final = (0.1, 0.25, 0.5, 1.0, 2.0)
"""Pauses between attempts to send the same bytes; the last one is repeated."""

LOOK_SECONDS: Final = 2.0
"""Idle seconds after which we check that head is still ours: a Redis that restarted empty is filled again."""

NOT_FINITE_SECONDS: Final = 10.0
"""Pause after a state that held NaN: each attempt copies everything."""


class Checkpointer:
    """Writes versions for the holder of a lease. `cut` and `flush` are for the learner's thread.

    Args:
        store: Where versions go.
        lease: The right to write them; the commit script checks it.
        schema: Schema of the state.
        start: The version that the state was loaded from; None for a new state, whose first version is a base.
        base_interval: Seconds between two bases, at most.
        history_bytes: Bytes of earlier versions that are kept.
        on_committed: Called with each committed version, on the uploading thread.
        hooks: Observes phases, versions and failures.
        failpoint: Called with the name of each step, for crash tests.
        stopped: Whether the process is to end. A copy that is being made is given up then, but for the last version.
        clock: Monotonic seconds.
        wall: Epoch seconds.

    Attributes:
        last: The newest version committed here, None before the first or when head is another one.
        fenced: Whether another learner took over: stop.
    """

    def __init__(
        self,
        store: Store,
        lease: Lease,
        schema: Schema,
        *,
        start: Manifest | None = None,
        base_interval: float = 600.0,
        history_bytes: int = HISTORY_BYTES,
        on_committed: Callable[[Manifest], None] = lambda _: None,
        hooks: Hooks | None = None,
        failpoint: Callable[[str], None] = lambda _: None,
        stopped: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._lease, self._schema = store, lease, schema
        self._on_committed, self._failpoint = on_committed, failpoint
        self._hooks = hooks or Silent()
        self._clock, self._wall = clock, wall
        self._look_at_stop = asking(stopped, "the process is to end")
        self.last: Manifest | None = None
        self.fenced = False
        self._writer = VersionWriter(store, lease, schema, self._hooks, failpoint, clock, history_bytes)
        self._index = VersionIndex(store, self._writer, self._failed)
        head = store.head()
        self._seq = max([head.seq if head else 0, *(manifest.seq for manifest in self._index.versions.values())])
        self._parent = start if start is not None and head is not None and head.id == start.id else None
        start_id = start.id if start else ""
        self.bases = Compactor(self._writer, self._index, start_id, base_interval, clock, self._failed)
        self._not_before = clock()
        self._ancestry = Ancestry(self._parent)
        self._written = self._parent is not None
        self._job: Cut | None = None
        self._rebase = False
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._upload_all, name="versions", daemon=True)
        self._thread.start()

    @property
    def busy(self) -> bool:
        """Whether a cut is being uploaded."""
        return self._job is not None

    def cut(
        self,
        state: State,
        progress: Progress,
        admission: Admission,
        evidence: Callable[[], dict[str, Any]],
        *,
        for_bases: Callable[[], dict[str, Any]] = dict,
        served_by: str = "",
        receipts: Sequence[Receipt] = (),
        force: bool = False,
        known: Changes | None = None,
    ) -> bool:
        """Copy what changed since the last cut and hand it to the uploader.

        Args:
            state: Its marks of changed rows are cleared.
            progress: How far the state has read; copied.
            admission: The dedupe window and the list of erased users.
            evidence: Returns what the version carries as it is; called only when there will be a version, because it
                costs time and hands each question out once.
            for_bases: Returns what a base carries besides; called only when there will be one.
            served_by: The contender that answers with this version.
            receipts: Erasures that the version is the first to hold.
            force: Cut although the pause after a slow upload is not over, for the last version before the end.
            known: What `State.changed` returned, where nothing has changed since: it is not copied again.

        Returns:
            False when nothing is new, when the time has not come, and when the process is to end: the copy is given up
            then, and what changed stays marked for the last version.
        """
        started = self._clock()
        if self.busy or self.fenced or (started < self._not_before and not force):
            return False
        parent = None if self._rebase else self._parent
        # All of it, not a count: after a log was replaced or shortened, equal counts may stand for other records.
        if parent is not None and progress == parent.progress and not self.bases.owed(started):
            return False
        lost = self._lost(state, parent) if parent is not None else []
        # The last version, and one that takes the place of lost ones, is never given up.
        # What lost versions changed was marked again just now, so that nothing that was copied before has all.
        at_hand = None if lost or parent is None else known
        changes = self._changes(state, parent, unhurried if force or lost else self._look_at_stop, at_hand)
        if changes is None:
            return False
        carried = evidence() | ({} if parent is not None else for_bases())
        draft = self._draft(parent, progress.copy(), carried, served_by, lost)
        draft = with_erasures(draft, parent, admission.erasures, receipts)
        job = take(state, draft, admission, parent.progress if parent else None, changes)
        self._rebase = False
        if parent is None:
            state.forget_changes()
            self._ancestry.restart(job.manifest)
        else:
            self._ancestry.add(job.manifest, job.changes)
        if parent is not None and self.bases.due(started):
            # Nobody needs it when the process is to end: the delta has the same.
            whole = self._changes(state, None, self._look_at_stop)
            if whole is not None:
                base = base_of(job.manifest, admission.erasures)
                base.evidence = base.evidence | for_bases()
                self.bases.offer(take(state, base, admission, None, whole))
        self._hooks.phase("cut", self._clock() - started)
        with self._changed:
            self._job, self._written = job, False
            self._changed.notify_all()
        return True

    def rebase(self) -> None:
        """Make the next version a base, because the state was replaced; also while a cut is being uploaded."""
        self._rebase = True

    def flush(self, deadline: float) -> bool:
        """Wait up to `deadline` seconds for the cut that is being uploaded; whether Redis has it."""
        with self._changed:
            self._changed.wait_for(lambda: not self.busy or self.fenced, deadline)
            return not self.busy and not self.fenced and self._written

    def close(self, timeout: float = 2.0) -> None:
        """End the threads. A cut that is still being uploaded is given up; its records are read again."""
        self._closing.set()
        with self._changed:
            self._changed.notify_all()
        self.bases.close(timeout)
        self._thread.join(timeout)

    @staticmethod
    def _changes(state: State, parent: Manifest | None, look: Look, at_hand: Changes | None = None) -> Changes | None:
        """Copies of what changed, of everything without a parent; None as soon as the look says to give up.

        `at_hand`: the copies, where they were made already.
        """
        if at_hand is not None:
            state.forget_changes()
            return at_hand
        try:
            return state.full(look) if parent is None else state.cut(look)
        except Interrupted:
            return None

    def _draft(
        self,
        parent: Manifest | None,
        progress: Progress,
        evidence: dict[str, Any],
        served_by: str,
        replaces: list[str],
    ) -> Manifest:
        self._seq += 1
        return Manifest(
            id=f"{self._seq}-{self._lease.epoch}-{secrets.token_hex(3)}",
            seq=self._seq,
            kind="delta" if parent else "base",
            parent=parent.id if parent else "",
            epoch=self._lease.epoch,
            owner=self._lease.token,
            created_at=self._wall(),
            schema_version=self._schema.version,
            schema=self._schema.fingerprint(),
            progress=progress,
            evidence=dict(evidence),
            served_by=served_by,
            replaces=replaces,
        )

    def _lost(self, state: State, parent: Manifest) -> list[str]:
        """Versions that were cut after `parent` and are not in Redis. What they changed is marked, to be cut again."""
        marks = self._ancestry.take_after(parent.id)
        mark_again(state, marks)
        lost = [mark.manifest.id for mark in marks]
        self._index.drop(lost)
        return lost

    def _upload_all(self) -> None:
        while not self._closing.is_set():
            with self._changed:
                self._changed.wait_for(lambda: self._job is not None or self._closing.is_set(), LOOK_SECONDS)
                job = self._job
            if job is None:
                self._look()
                continue
            self._guarded(job)
            self.bases.drop()
            with self._changed:
                self._job = None
                self._changed.notify_all()

    def _deliver(self, job: Cut) -> None:
        prepared = self._writer.prepare(job)
        attempt = 0
        while not self._closing.is_set():
            started = self._clock()
            try:
                manifest = self._writer.write(prepared)
                self._pace(self._clock() - started)
                self._landed(manifest)
                return
            except (StoreUnavailable, MissingChunk) as error:
                self._failed(error)
                if isinstance(error, StoreUnavailable) and error.kind == "oom":
                    self._index.collect()
                self._closing.wait(RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)])
                attempt += 1

    def _pace(self, spent: float) -> None:
        """Pause cuts for so long that uploads keep to their share. An outage before this attempt does not count."""
        pause = min(spent * (1 / UPLOAD_SHARE - 1), LONGEST_PAUSE)
        self._not_before = max(self._not_before, self._clock() + pause)

    def _landed(self, manifest: Manifest) -> None:
        self._index.note(manifest)
        self._parent = self.last = manifest
        self._written = True
        self._failpoint("commit.6")
        self._mirror(manifest)
        self.bases.landed(manifest)
        if manifest.kind == "base":
            self._index.collect()

    def _mirror(self, manifest: Manifest) -> None:
        try:
            self._on_committed(manifest)
        except Exception as error:  # the version is committed although its listener failed
            log.warning("version %s is committed, but its listener failed: %s", manifest.id, error)
            self._hooks.failed("listener", error)

    def _guarded(self, job: Cut) -> None:
        """Deliver a version. An error does not reach the learner: it shows in `failed`, and a base follows."""
        try:
            self._deliver(job)
        except Fenced as error:
            self._failed(error)
        except NotFinite as error:
            self._failed(error)
            self._parent = None
            self._not_before = self._clock() + NOT_FINITE_SECONDS
        except WrongParent as error:
            self._failed(error)
            self._parent = self._ancestry.find(error.head)
        except Exception as error:  # Stale; and a defect must not end versions for good
            self._failed(error)
            self._parent = None
            if isinstance(error, Stale):
                self._seq = max(self._seq, error.seq)

    def _look(self) -> None:
        """Check that head is the last version. After a failover or in an emptied Redis it is not."""
        parent = self._parent
        if parent is None or self._closing.is_set():
            return
        try:
            head = self._store.head()
        except Exception as error:
            self._failed(error)
            return
        if head is None or (head.id != parent.id and head.seq <= parent.seq):
            wrong = WrongParent(head.id if head else "")
            self._failed(wrong)
            self._parent, self.last, self._written = self._ancestry.find(wrong.head), None, False

    def _failed(self, error: Exception) -> None:
        kind = failure_kind(error)
        log.warning("version not committed (%s): %s", kind, error)
        self.fenced = self.fenced or isinstance(error, Fenced)
        self._hooks.failed(kind, error)


__all__ = ["Checkpointer"]
