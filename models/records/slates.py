"""A record of topic `slates` in, the slate that was shown out, and back: the service writes, the learner reads."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from models.structs import Prepared

MAX_SLATE_BYTES: Final = 262_144
"""Most bytes of a record. 400 ids of 256 characters with their propensities are some 110 KB."""


class SlateRecord(msgspec.Struct, metaclass=Prepared, frozen=True, omit_defaults=True, gc=False):
    """A slate that was shown.

    Attributes:
        request_id: by which events name it.
        timestamp: when it was shown, epoch seconds.
        items: ids, best first.
        user_id: to whom.
        model_version: id of the version that ranked it.
        sequence: that version's number, 0 without one.
        served_by: the contender that ordered it.
        propensities: chance of each item at its place, only when chance took part.
        explore: how much chance took part, 0 for none.
        context: the shop's own fields, by name.
        scenario: the set of options that the request named.
        experiments: the user's arm in each experiment, by name of the experiment.
        segments: those of setting `learner.segments` that the user's attributes meet.
    """

    request_id: str
    timestamp: float
    items: Annotated[list[str], Meta(max_length=400)]
    user_id: str | None = None
    model_version: str | None = None
    sequence: int = 0
    served_by: str = ""
    propensities: list[float] | None = None
    explore: float = 0.0
    context: dict[str, str | float] | None = None
    scenario: str | None = None
    experiments: dict[str, str] | None = None
    segments: Annotated[list[str], Meta(max_length=64)] | None = None


_decoder: Final = msgspec.json.Decoder(SlateRecord)
_encoder: Final = msgspec.json.Encoder()


def encode_slate(slate: SlateRecord) -> bytes:
    """Encodes a slate as JSON.

    >>> encode_slate(SlateRecord("5f", 1.0, ["tea"], sequence=7))
    b'{"request_id":"5f","timestamp":1.0,"items":["tea"],"sequence":7}'
    """
    return _encoder.encode(slate)


def decode_slate(raw: bytes | None) -> SlateRecord | None:
    """Decodes a slate, None when the record is none: a lost slate costs a figure and never a recommendation.

    >>> decode_slate(b'{"request_id":"5f","timestamp":1.0,"items":["tea"]}').items
    ['tea']
    >>> decode_slate(b"tea") is None
    True
    """
    if raw is None or len(raw) > MAX_SLATE_BYTES:
        return None
    try:
        return _decoder.decode(raw)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None


__all__ = ["MAX_SLATE_BYTES", "SlateRecord", "decode_slate", "encode_slate"]
