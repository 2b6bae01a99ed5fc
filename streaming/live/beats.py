"""Notices that Redis went back or was emptied: a number in it that only grows is smaller than it was. Stage 1 to 7.

Every script that writes histories, erasures or facts moves the beat of its hash, to the clock of Redis in milliseconds
or one further. It is told the beat that the writer saw last and writes nothing below it, so no write can cover up what
is missing. While what is missing is written again, the field `repair` says up to where, also to a successor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from models.structs import Prepared
from streaming.store import Commands, Keyspace

BEAT: Final = "beat"
REPAIR: Final = "repair"

Marks = dict[str, int]
"""The last offset written, by `topic id:partition`."""


class WentBack(Exception):
    """Redis holds less than it did: a failover lost writes, or it was emptied."""


def hashes(key: Keyspace) -> tuple[str, str]:
    """The keys of the watermarks of histories and of facts, each with its beat."""
    return key("h-marks"), key("facts", "marks")


def checked(answer: int) -> int:
    """The beat that a script answered. Raises WentBack."""
    if answer < 0:
        raise WentBack("Redis holds less than was written to it")
    return answer


class Found(msgspec.Struct, metaclass=Prepared):
    """What Redis says of both hashes: beats, offsets written, and what a repair under way is to reach."""

    beats: tuple[int, int]
    marks: Marks
    repair: Marks | None


def look(store: Commands) -> Found:
    """Read both hashes. Raises StoreUnavailable."""
    answers = store.calls([("HGETALL", name) for name in hashes(store.key)])
    found = [_pairs(answer) for answer in answers]
    marks = {field: int(raw) for each in found for field, raw in each.items() if _is_mark(field)}
    repair = next((each[REPAIR] for each in found if REPAIR in each), None)
    beats = int(found[0].get(BEAT, 0)), int(found[1].get(BEAT, 0))
    return Found(beats, marks, None if repair is None else msgspec.json.decode(repair, type=Marks))


def whole_request(key: Keyspace) -> tuple[str, str, str, str]:
    """The command that tells whether histories are whole, for any kind of client; `whole_parse` reads its answer."""
    return "HMGET", hashes(key)[0], BEAT, REPAIR


def whole_parse(answer: Sequence[bytes | None]) -> tuple[int, bool]:
    """The beat, and whether what is missing is being written, from the answer to `whole_request`.

    >>> whole_parse([None, None]), whole_parse([b"7", b"{}"])
    ((0, False), (7, True))
    """
    beat, repair = answer
    return int(beat or 0), repair is not None


def begin(store: Commands, held: Mapping[str, int]) -> None:
    """Note that what is missing up to the offsets `held` is being written. Raises StoreUnavailable."""
    store.calls([("HSET", name, REPAIR, msgspec.json.encode(held)) for name in hashes(store.key)])


def _is_mark(field: str) -> bool:
    name, _, partition = field.rpartition(":")
    return bool(name) and partition.isdecimal()


def _pairs(answer: object) -> dict[str, bytes]:
    flat = answer if isinstance(answer, dict) else dict(zip(answer[::2], answer[1::2], strict=True))  # type: ignore[index]
    return {name.decode(): raw for name, raw in flat.items()}


__all__ = [
    "BEAT",
    "REPAIR",
    "Found",
    "Marks",
    "WentBack",
    "begin",
    "checked",
    "hashes",
    "look",
    "whole_parse",
    "whole_request",
]
