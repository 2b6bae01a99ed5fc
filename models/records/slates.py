"""One record of topic `slates` in, a slate that was shown out, and back: the service writes them, the learner reads."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

MAX_SLATE_BYTES: Final = 262_144
"""Bytes of one record: 400 ids of 256 characters with their propensities are some 110 KB."""


class SlateRecord(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What was shown, by which version. `timestamp` in epoch seconds; `sequence` is the version's, 0 without one.

    propensities: chance of each item at its place, only when chance took part (`explore` above 0).
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


_decoder: Final = msgspec.json.Decoder(SlateRecord)
_encoder: Final = msgspec.json.Encoder()


def encode_slate(slate: SlateRecord) -> bytes:
    """The record's JSON.

    >>> encode_slate(SlateRecord("5f", 1.0, ["tea"], sequence=7))
    b'{"request_id":"5f","timestamp":1.0,"items":["tea"],"sequence":7}'
    """
    return _encoder.encode(slate)


def decode_slate(raw: bytes | None) -> SlateRecord | None:
    """The slate of a record, None for one that is none: a lost slate costs a figure and never a recommendation.

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


__all__ = ["SlateRecord", "decode_slate", "encode_slate"]
