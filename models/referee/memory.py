"""The state that a referee hands to the referee of the next term, next to the standing that the gate reads. Stage 6.

A decision rests on evidence of minutes. A learner that forgot it with each restart would let pass what it had found out
before, so all of it travels in the version, with the tables that it is about.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from models.referee.busiest import Busiest
from models.referee.drift import AlarmsMemory
from models.referee.hit_level import LevelMemory
from models.statistics import CannotUnpack, Clusters, Comparison, Standing, pack, unpack
from models.structs import Prepared

FORM: Final = 2
"""Number of the form. Raise it with every change of a field, or of what a number means: the next term then begins its
evidence again, and says so. A field that is added with a default needs no new number."""


class Memory(msgspec.Struct, metaclass=Prepared):
    """What a referee knows beyond its standing.

    Attributes:
        younger: The second half of the comparison with the best source.
        best: The best source after the last event.
        stood: The champion that was compared last, "" for none.
        level: The usual and the recent hit rate.
        alarms: The drift detectors.
        records: Last consumed records: all, unusable ones, duplicates.
        tests: Last tested events: all, those of unknown items.
        users: Users of the last events.
        purse: Seconds that may be spent on comparisons.
        price: Seconds that one compared event costs.
        clusters: How alike the events of one user are, by the name of the comparison.
        left: Whether another version was served since the reference was named.
    """

    younger: Comparison
    best: str
    stood: str
    level: LevelMemory
    alarms: AlarmsMemory
    records: list[tuple[int, int, int]]
    tests: list[tuple[int, int]]
    users: Busiest
    purse: float
    price: float
    clusters: dict[str, Clusters]
    left: bool = True


class Past(NamedTuple):
    """The evidence of a version: what the gate reads, and the rest."""

    standing: Standing
    memory: Memory


class NoPast(Exception):
    """A version's evidence cannot be taken up; the message says why."""


def kept(memory: Memory) -> str:
    """Return the memory as a version carries it: `recalled` reads it."""
    return f"{FORM}:{pack(memory)}"


def recalled(evidence: Mapping[str, object]) -> Past:
    """Read the evidence of a version's manifest.

    Raises:
        NoPast: There is none, or another release wrote it.

    >>> recalled({})
    Traceback (most recent call last):
    models.referee.memory.NoPast: it carries no evidence of a learner
    >>> recalled({"standing": {}, "memory": "0:"})
    Traceback (most recent call last):
    models.referee.memory.NoPast: its evidence has form 0, this release reads form 2
    """
    text = evidence.get("memory")
    if not isinstance(text, str) or "standing" not in evidence:
        raise NoPast("it carries no evidence of a learner")
    form, _, packed = text.partition(":")
    if form != str(FORM):
        raise NoPast(f"its evidence has form {form}, this release reads form {FORM}")
    try:
        return Past(msgspec.convert(evidence["standing"], Standing), unpack(packed, Memory))
    except (CannotUnpack, msgspec.ValidationError) as error:
        raise NoPast(f"its evidence cannot be read: {error}") from None


__all__ = ["FORM", "Memory", "NoPast", "Past", "kept", "recalled"]
