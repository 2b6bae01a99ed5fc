"""Reads the evidence of a tick: the versions of the pointers, and the learner's report on the challenger. Stage 6."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from models.experiments import Counts
from models.gate import Evidence, Request, Version
from models.snapshot import Damaged, Manifest
from models.statistics import CannotUnpack, Reservoir, Standing, asked
from service.gate.pace import ComparedPace
from service.runtime import logs
from streaming.store import Pointer, Store, anchors_of
from streaming.versions import recent

OTHER_FORM: Final = "its evidence has a form that this release does not read, so no comparison and no alarm counts"
"""What is said of a version whose learner is of another release."""


class EvidenceReader:
    """Reads the manifest of each newest version once.

    Args:
        store: Where pointers and versions are.
        seconds: A monotonic clock.
    """

    def __init__(self, store: Store, seconds: Callable[[], float] = time.monotonic) -> None:
        self._store, self._seconds = store, seconds
        self._applied = 0
        self.learned_at = seconds()
        """When a version was seen that had learned an event more than the one before."""
        self._version = ""
        self._standing: Standing | None = None
        self._rebuilt, self._erased_in = "", 0
        self._refilled = self._unread = False
        self.reservoir = Reservoir()
        self.pace = ComparedPace()
        self._counted: tuple[str, object] = ("", None)

    def evidence(
        self, pointers: Mapping[str, Pointer], serving: Version | None, request: Request | None = None
    ) -> Evidence:
        """The evidence about the versions that the pointers name.

        Args:
            pointers: The pointers of the store.
            serving: The champion; None before the first one.
            request: An operator's request, if there is one.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        head = pointers.get("head")
        found = self._read(head.id) if head is not None else None
        candidate = Version(head.id, head.seq, rebuilt=self._rebuilt) if head is not None else None
        return Evidence(
            candidate=None if request is not None and request.verb == "rollback" else candidate,
            serving=serving,
            reference=_named(pointers.get("reference")),
            previous=_named(pointers.get("prev")),
            standing=found,
            request=request,
            anchors=tuple(Version(each.id, each.seq) for each in anchors_of(pointers)),
            erased_in=self._erased_in,
            quiet=self._seconds() - self.learned_at if found is not None else 0.0,
        )

    def _read(self, version: str) -> Standing | None:
        if version != self._version:
            self._standing = self._stored(version)
            self._version = version
        return self._standing

    def _stored(self, version: str) -> Standing | None:
        try:
            manifest = self._store.manifest(version)
            self._rebuilt, self._erased_in = manifest.progress.rebuilt, manifest.erasure_seq
            if not self._refilled:
                self._refill(manifest.seq)
            self._counted = (version, manifest.evidence.get("experiments"))
            for question in asked(manifest.evidence):
                self.reservoir.add(question)
            found = self._understood(manifest)
            self.pace.note(manifest.created_at, found)
            if found is not None and found.applied != self._applied:
                self._applied, self.learned_at = found.applied, self._seconds()
            return found
        except Damaged:
            # The follower reports the damage when it loads the version; here it only means no evidence.
            return None

    def _understood(self, manifest: Manifest) -> Standing | None:
        """The standing that a version carries; one that only says so when it has another form, of another release."""
        found, there = standing(manifest.evidence), "standing" in manifest.evidence
        unread = found is None and there
        if unread and not self._unread:
            logs.warn("evidence cannot be read", version=manifest.id, detail=OTHER_FORM)
        self._unread = unread
        if not unread:
            return found
        self.learned_at = self._seconds()  # whether it learned an event cannot be told
        return Standing(paused=OTHER_FORM)

    def counts(self) -> tuple[str, Counts]:
        """The counts of experiments in the newest version, and its id; for any thread."""
        version, text = self._counted
        try:
            return version, Counts.unpacked(text) if text is not None else Counts()
        except CannotUnpack:  # of another release
            return version, Counts()

    def _refill(self, seq: int) -> None:
        """Collect the questions that versions before this process carried."""
        before = [each for each in recent(self._store) if each.seq < seq]
        erased = {user for each in before for user, _ in each.erased}
        discarded = self.reservoir.refill((each.evidence for each in before), erased)
        if discarded:
            logs.warn("old events are discarded", versions=discarded, detail="another release wrote them")
        self._refilled = True


def standing(evidence: Mapping[str, object]) -> Standing | None:
    """The comparisons in the evidence of a manifest; None without any, or in the form of another release.

    >>> standing({"standing": {"lag": 2.0}}).lag, standing({"record_times": []}), standing({"standing": {"lag": "no"}})
    (2.0, None, None)
    """
    try:
        return msgspec.convert(evidence["standing"], Standing)
    except (KeyError, msgspec.ValidationError):
        return None


def _named(pointer: Pointer | None) -> Version | None:
    return Version(pointer.id, pointer.seq) if pointer is not None else None


__all__ = ["EvidenceReader", "standing"]
