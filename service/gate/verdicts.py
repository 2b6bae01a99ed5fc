"""Finds the decision about a version: the present one about the challenger, a recorded one about any other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

import msgspec

from models.gate import AuditRecord
from models.structs import Prepared
from service.gate.audit_records import recorded
from service.gate.gatekeeper import Gatekeeper
from streaming.store import AUDIT_ENTRIES, Store

NAME: Final = re.compile(r"v?([0-9]{1,18})(-[0-9]{1,18}-[0-9a-f]{1,16})?")
"""A version as people name it: its id, or the sequence number that the id begins with."""
PAGE: Final = 100
"""Records read at once: the decision asked for is mostly among the newest."""

Status = Literal["served", "waiting", "replaced", "withdrawn", "held"]


class Verdict(NamedTuple):
    """The decision about a version.

    Attributes:
        version: Its id.
        status: What became of it: it is served, is the challenger that waits, was replaced by a newer version, was
            withdrawn by a rollback, or was held until a newer one came.
        record: The decision.
        ended: The rollback that withdrew it.
        by_neighbour: The decision names an earlier version, which was held for the same reasons.
    """

    version: str
    status: Status
    record: AuditRecord
    ended: AuditRecord | None = None
    by_neighbour: bool = False


class NoVerdict(Exception):
    """No decision about a version is known. The message says why, `next_step` what to do."""

    def __init__(self, detail: str, next_step: str) -> None:
        super().__init__(detail)
        self.next_step = next_step


class _Line(msgspec.Struct, metaclass=Prepared):
    """The fields of a record by which the search goes; most records are passed over."""

    at: float
    action: str
    from_version: str
    to_version: str


class VersionName(NamedTuple):
    """A version as somebody named it; `id` is "" where only the sequence number is known."""

    seq: int
    id: str

    @classmethod
    def parse(cls, text: str) -> VersionName | None:
        """Read an id or a sequence number; None when it is neither.

        >>> VersionName.parse("v12"), VersionName.parse("12-3-9f3a0c"), VersionName.parse("newest")
        (VersionName(seq=12, id=''), VersionName(seq=12, id='12-3-9f3a0c'), None)
        """
        found = NAME.fullmatch(text)
        return cls(int(found[1]), text.lstrip("v") if found[2] else "") if found else None

    def means(self, version: str) -> bool:
        """Whether this is the version with that id."""
        return version == self.id if self.id else _seq(version) == self.seq

    def __str__(self) -> str:
        return self.id or str(self.seq)


def _seq(version: str) -> int:
    """The sequence number in an id; -1 without one."""
    found = NAME.match(version)
    return int(found[1]) if found else -1


def verdict(keeper: Gatekeeper, store: Store, served: str | None, name: VersionName | None) -> Verdict:
    """Find the decision about a version.

    Args:
        keeper: The gate of this process.
        store: Where the audit is.
        served: Id of the version that this process serves.
        name: The version; None for the challenger, or for the served version until the newest one is judged.

    Raises:
        NoVerdict: No such version is known, or the decision about it is no longer kept.
        StoreUnavailable: Redis does not answer.
    """
    head = keeper.follower.head
    if head is None:
        raise NoVerdict("No version was committed yet.", "The first one comes about a second after the first event.")
    if name is None:
        newest = VersionName(head.seq, head.id)
        try:
            return verdict(keeper, store, served, newest)
        except NoVerdict:
            if served is None or newest.means(served):
                raise
            return verdict(keeper, store, served, VersionName(_seq(served), served))
    if name.seq > head.seq:
        raise NoVerdict(f"There is no version {name} yet: the newest one is {head.id}.", "Ask for an earlier one.")
    if not (served is not None and name.means(served)):
        present = keeper.present()
        if present is not None and present.action == "hold" and name.means(present.to_version):
            # After a rollback the version that was withdrawn is the newest one still, until the next is cut.
            ended = _withdrawn(store, name)
            return Verdict(present.to_version, "waiting" if ended is None else "withdrawn", present, ended)
    return _recorded(store, served, name)


def _withdrawn(store: Store, name: VersionName) -> AuditRecord | None:
    """The rollback that withdrew the newest version; None when it was never served."""
    for line, raw in _lines(store):
        if line.action == "rollback" and name.means(line.from_version):
            return _record(raw)
        if line.action in {"promote", "hold"} and 0 <= _seq(line.to_version) < name.seq:
            return None
    return None


def _recorded(store: Store, served: str | None, name: VersionName) -> Verdict:
    held = ended = before = None
    oldest = 0.0
    for line, raw in _lines(store):
        oldest = line.at
        if line.action == "rollback" and name.means(line.from_version):
            ended = _record(raw)
        elif line.action in {"promote", "rollback"} and name.means(line.to_version):
            version = line.to_version
            gone: Status = "withdrawn" if ended is not None else "replaced"
            return Verdict(version, "served" if version == served else gone, _record(raw), ended)
        elif line.action == "hold" and name.means(line.to_version):
            held = held or (line.to_version, raw)
        elif line.action in {"promote", "hold"} and 0 <= _seq(line.to_version) < name.seq:
            before = raw if line.action == "hold" else None
            break
    if ended is not None:
        # The decision that served it has fallen off.
        return Verdict(ended.from_version, "withdrawn", ended)
    if held is not None and not (served is not None and name.means(served)):
        return Verdict(held[0], "held", _record(held[1]))
    kept = next((each.id for each in store.versions() if name.means(each.id)), None)
    if kept is not None and before is not None:
        return Verdict(kept, "held", _record(before), by_neighbour=True)
    raise _nothing(name, served, kept, oldest)


def _lines(store: Store) -> Iterator[tuple[_Line, bytes]]:
    """Yield every record that is kept, newest first."""
    before, read = "+", 0
    while read < AUDIT_ENTRIES:
        entries = recorded(store, PAGE, before)
        for before, raw in entries:  # noqa: B007 - the next page begins before the last of them
            yield msgspec.json.decode(raw, type=_Line), raw
        read += len(entries)
        if len(entries) < PAGE:
            return


def _record(raw: bytes) -> AuditRecord:
    try:
        return msgspec.json.decode(raw, type=AuditRecord, strict=False)
    except msgspec.ValidationError as error:
        raise NoVerdict(
            f"The record of the decision about it cannot be read by this release: {error}.",
            "GET /gate/decisions (`sluicegate gate log`) has it as it was written.",
        ) from None


def _nothing(name: VersionName, served: str | None, kept: str | None, oldest: float) -> NoVerdict:
    step = "GET /gate/decisions (`sluicegate gate log`) has every decision that is kept."
    if served is not None and name.means(served):
        return NoVerdict(f"Version {served} is served, but the decision that served it is no longer kept.", step)
    if kept is not None:
        return NoVerdict(f"The gate has not judged version {kept}: a newer one came first, or it is about to.", step)
    if not oldest:
        return NoVerdict(f"No decision was recorded yet, and no version {name} is kept.", step)
    return NoVerdict(
        f"No decision names version {name}, and it is not kept any more, if it ever was. Versions are kept for some "
        f"ten minutes and the newest {AUDIT_ENTRIES:,} decisions for longer; a hold that repeats is recorded once a "
        "minute.",
        step,
    )


__all__ = ["NoVerdict", "Verdict", "VersionName", "verdict"]
