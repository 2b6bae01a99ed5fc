"""Stores a gate decision: state, audit record and moved pointers in one step. Stage 6."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from streaming.store.commands import Argument
from streaming.store.versions import Pointer, VersionCommands, VersionGone, written

AUDIT_ENTRIES: Final = 10_000
"""Gate decisions kept, with everything that went into each: 30 to 40 MB, three hours at a version a second."""


class GateRecord(NamedTuple):
    """The gate's state as JSON, b"" before the first decision, and the number of decisions so far."""

    revision: int
    state: bytes
    experiments: bytes = b""
    """The experiments on users as JSON, b"" before the first."""


class GateCommands(VersionCommands):
    """The part of the store that the gate uses."""

    def gate(self) -> GateRecord:
        """Read the gate's state: revision 0 and b"" before the first decision."""
        revision, state, experiments = self.call("HMGET", self.key("gate"), "revision", "state", "experiments")
        return GateRecord(int(revision or 0), state or b"", experiments or b"")

    def decide(
        self,
        revision: int,
        state: bytes,
        audit: bytes,
        serving: str | None = None,
        *,
        reference: str | None = None,
        pinned: str | None = None,
        anchors: Sequence[Pointer] | None = None,
        experiments: bytes | None = None,
    ) -> bool:
        """Store a decision: gate state, audit record, pointers and experiments in one step.

        Args:
            revision: Revision that the decision was made at.
            state: New state of the gate, as JSON.
            audit: Audit record, as JSON; b"" for none.
            serving: Version to serve. For this pointer and the others, None keeps it and "" removes it.
            reference: Version to compare with.
            pinned: Version to keep served.
            anchors: All anchors; None keeps those that are named. Each is named by another pointer, or was an anchor.
            experiments: All experiments on users, as JSON; None keeps them.

        Returns:
            False when another decision came first.

        Raises:
            VersionGone: A version to be named is not in the store.
        """
        named = {version: self.manifest(version).seq for version in (serving, reference, pinned) if version}
        words = [_word(version, named) for version in (serving, reference, pinned)]
        keys = [self.key(name) for name in ("gate", "audit", "serving", "prev", "reference", "pinned")]
        keys += [self.key("meta", version) for version in named]
        words.append("-" if anchors is None else written(anchors))
        args: list[Argument] = [
            revision,
            state,
            audit,
            AUDIT_ENTRIES,
            *words,
            "-" if experiments is None else experiments,
        ]
        answer = self.run("decide", keys, args).decode()
        if answer.startswith("GONE"):
            raise VersionGone(f"{answer[5:]} was unlinked before it could be named")
        return bool(answer == "OK")

    def rescue(self, revision: int, state: bytes, serving: str) -> bool:
        """Store a rollback whose audit record cannot be written: only pointer and state.

        Args:
            revision: Revision that the decision was made at.
            state: New state of the gate, as JSON.
            serving: Version to serve.

        Returns:
            False when another decision came first.

        Raises:
            VersionGone: The version is not in the store.
        """
        word = _word(serving, {serving: self.manifest(serving).seq})
        keys = [self.key(name) for name in ("gate", "serving", "prev")]
        answer = self.run("rescue", [*keys, self.key("meta", serving)], [revision, state, word]).decode()
        if answer.startswith("GONE"):
            raise VersionGone(f"{answer[5:]} was unlinked before it could be named")
        return bool(answer == "OK")

    def decisions(self, count: int, before: str = "+") -> list[tuple[str, bytes]]:
        """Read the newest `count` audit records older than entry id `before`: (entry id, record), newest first.

        The record is b"" where something else has added an entry.
        """
        end = before if before == "+" else f"({before}"
        found = self.call("XREVRANGE", self.key("audit"), end, "-", "COUNT", count)
        return [(entry.decode(), _fields(fields).get(b"record", b"")) for entry, fields in found]


def _word(version: str | None, named: Mapping[str, int]) -> str:
    if version is None:
        return "-"
    return f"{version} {named[version]}" if version else ""


def _fields(found: Any) -> dict[bytes, bytes]:
    return found if isinstance(found, dict) else dict(zip(found[::2], found[1::2], strict=True))
