"""Reads the gate's state, which another release, or whatever else writes to this Redis, may have written over."""

from __future__ import annotations

import msgspec

from models.gate import GateState
from service.runtime import logs
from streaming.store import GateRecord, StoreUnavailable


class StateUnreadable(StoreUnavailable):
    """The gate's state in Redis cannot be read, so nothing is decided; `why` says why."""

    def __init__(self, why: str) -> None:
        super().__init__("other", why)
        self.why = why


class StateReader:
    """Keeps the state that this service knows while the one in Redis cannot be read.

    Where the revision is the one that was read last, that is the state of this very revision, and the next decision
    writes it again. Otherwise somebody has decided since, and only an order about the mode replaces what is there.
    """

    def __init__(self) -> None:
        self.unreadable = ""
        """Why nothing may be decided; empty when all is well."""
        self._reported = b""

    def read(self, record: GateRecord, known: GateState) -> GateState:
        """The state at the record's revision; `known` is that of the last read, or the one to begin with.

        >>> reader, known = StateReader(), GateState(mode="manual", revision=7)
        >>> reader.read(GateRecord(7, b"garbage"), known).mode, reader.unreadable
        ('manual', '')
        >>> reader.read(GateRecord(8, b"garbage"), known).revision, reader.unreadable[:43]
        (8, 'the state at revision 8 cannot be read (JSO')
        >>> reader.read(GateRecord(9, b'{"mode":"strict"}'), known).mode, reader.unreadable
        ('strict', '')
        """
        try:
            found = msgspec.json.decode(record.state, type=GateState) if record.state else known
            self.unreadable = ""
        except msgspec.DecodeError as error:
            found, why = known, f"the state at revision {record.revision} cannot be read ({error})"
            if record.state != self._reported:
                self._reported = record.state
                logs.warn("the gate's state is not one of this release", detail=why)
            if record.revision != known.revision or self.unreadable:
                self.unreadable = why
        return msgspec.structs.replace(found, revision=record.revision)


__all__ = ["StateReader", "StateUnreadable"]
