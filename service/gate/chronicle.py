"""Reads the audit as it grows, and keeps the newest decision and those of note for the pages that watch."""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec

from models.structs import Prepared
from service.gate.audit_records import recorded
from streaming.store import Store

OF_NOTE: Final = 60
"""Decisions of note that are kept: an eventful day."""
FIRST: Final = 500
"""Records read at first, and at once later: some five megabytes, eight minutes of a version a second."""
FEW: Final = 20
"""Records read when it looks again a second later."""
UNSAID: Final = frozenset({"sound", "healthy", "lift_lost"})
"""Reasons that tell no promotion from the one before."""


class DecisionLine(msgspec.Struct, metaclass=Prepared):
    """The fields of a decision that a page shows; GET /gate/decisions has the whole record.

    `of_note` is set where it says something else than the decision before.
    """

    at: float
    revision: int
    actor: str
    action: str
    reasons: list[str]
    detail: str = ""
    numbers: dict[str, float | None] = {}
    from_version: str | None = None
    to_version: str | None = None
    mode_before: str = ""
    mode_after: str = ""
    of_note: bool = False

    @property
    def kind(self) -> tuple[str, ...]:
        """What it has in common with the decisions that repeat it."""
        return self.action, *(reason for reason in self.reasons if reason not in UNSAID)


class Chronicle:
    """Keeps decisions. For one thread, but for `fetch`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._revision = -1
        self._kind: tuple[str, ...] = ("promote",)
        self._of_note: deque[DecisionLine] = deque(maxlen=OF_NOTE)
        self._newest: DecisionLine | None = None

    @property
    def kept(self) -> list[DecisionLine]:
        """The decisions of note and the newest one, newest first."""
        newest = self._newest
        return [*([newest] if newest is not None and not newest.of_note else []), *reversed(self._of_note)]

    def fetch(self) -> list[DecisionLine]:
        """Read the decisions since those that were taken in, newest first. Changes nothing here: for any thread.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        found = self._newest_records(FEW if self._revision >= 0 else FIRST)
        if len(found) == FEW and found[-1].revision > self._revision + 1:
            found = self._newest_records(FIRST)
        # An emptied Redis counts from the beginning again.
        again = bool(found) and found[0].revision < self._revision
        return [line for line in found if again or line.revision > self._revision]

    def _newest_records(self, count: int) -> list[DecisionLine]:
        return [msgspec.json.decode(raw, type=DecisionLine) for _, raw in recorded(self._store, count)]

    def take(self, found: list[DecisionLine]) -> list[DecisionLine]:
        """Take in what `fetch` found, and return those of note and the newest one, newest first."""
        for line in reversed(found):
            told = line.actor != "auto" or line.action in {"rollback", "mode", "quarantine", "experiment"}
            line.of_note = told or line.kind != self._kind
            self._kind, self._revision, self._newest = line.kind, line.revision, line
            if line.of_note:
                self._of_note.append(line)
        return [line for place, line in enumerate(found) if line.of_note or place == 0]


__all__ = ["Chronicle", "DecisionLine"]
