"""Checks that nobody has changed the audit: at the start and every ten minutes, on a thread of its own. Stage 6.

Only hashes and links are checked here; `sluicegate gate verify` also takes each decision again.
"""

from __future__ import annotations

import threading
from typing import Final

import msgspec

from models.gate import audit
from models.structs import Prepared
from service.gate.audit_records import recorded
from service.runtime import logs
from service.runtime.telemetry import Telemetry
from streaming.store import Store, StoreUnavailable

EVERY: Final = 600.0
"""Seconds between two looks."""
PAGE: Final = 50
"""Records of one read: some 300 KB."""
BREATH: Final = 0.02
"""Seconds between two reads: checking 10,000 records must not hold up requests."""
STOP_PATIENCE: Final = 2.0
"""Seconds that a look under way has to end."""


class _Hashes(msgspec.Struct, metaclass=Prepared):
    """Hash of a record; or, in the gate's state, of the record that was written last."""

    hash: str = ""
    audit_hash: str = ""


class AuditCheck:
    """Looks at the records that were written since the last look, and at the one before them."""

    def __init__(self, store: Store, telemetry: Telemetry) -> None:
        self._store, self._telemetry = store, telemetry
        self._checked = ""
        self.faults: list[str] = []
        """What is wrong, since this process started."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="audit check", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(STOP_PATIENCE)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.look()
            except StoreUnavailable:
                pass  # the gatekeeper reports it
            except Exception:
                logs.fault("the audit cannot be checked")
            self._stop.wait(EVERY)

    def look(self) -> None:
        """Check the records that are new, newest first. Raises StoreUnavailable."""
        last = self._last_written()  # before the records are read, so that it must be among them
        newest, before, after = "", "+", b""
        while not self._stop.is_set():
            page = recorded(self._store, PAGE, before)
            for entry, record in page:
                newest = newest or entry
                self._note(audit.chained([record, after] if after else [record]))
                after = record
                if last and msgspec.json.decode(record, type=_Hashes).hash == last:
                    last = ""
                if entry == self._checked:
                    self._checked_up_to(newest, last)
                    return
            if len(page) < PAGE:
                self._checked_up_to(newest, last)
                return
            before = page[-1][0]
            self._stop.wait(BREATH)

    def _last_written(self) -> str:
        """The hash of the record that the gate wrote last, as its state says; "" where that cannot be read."""
        try:
            return msgspec.json.decode(self._store.gate().state or b"{}", type=_Hashes).audit_hash
        except msgspec.DecodeError:
            return ""  # the gatekeeper reports it

    def _checked_up_to(self, newest: str, missed: str) -> None:
        self._checked = newest
        if missed:
            self._note([f"the record that the gate wrote last ({missed[:16]}) is gone or was never written"])

    def _note(self, found: list[str]) -> None:
        for fault in found:
            if fault not in self.faults:
                self.faults.append(fault)
                logs.warn("the audit is not as it was written", detail=fault)
        self._telemetry.audit_faults.set(len(self.faults))


__all__ = ["AuditCheck"]
