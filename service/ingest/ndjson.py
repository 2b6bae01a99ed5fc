"""The body of a request in; one piece of JSON per event out."""

from __future__ import annotations

from collections.abc import Container, Iterable

import msgspec

from models.records import MARK, Rejection, cloud_events, unparsable
from service.http import NDJSON, Problem, content_type


def split(raw: bytes, header: str, one: str = "an event") -> list[bytes]:
    r"""Split a body into the bytes of each event or item. Raises Problem when it is empty or no JSON at all.

    Args:
        raw: The body.
        header: Its header Content-Type.
        one: What it holds one or several of.

    >>> split(b'[{"a":1},{"b":2}]', "application/json"), split(b'{"a":1}', "")
    ([b'{"a":1}', b'{"b":2}'], [b'{"a":1}'])
    >>> split(b'\xef\xbb\xbf[{"a":1}]', "")
    [b'{"a":1}']
    """
    raw = raw.removeprefix(MARK)
    if content_type(header)[0] in NDJSON:
        lines = [line for line in raw.split(b"\n") if line.strip()]
        return lines or _unusable(unparsable(b"", 1), one)
    start = raw.lstrip()[:1]
    if start == b"[":
        try:
            return [bytes(event) for event in msgspec.json.decode(raw, type=list[msgspec.Raw])] or _unusable(
                Rejection("empty", "$", f"{one}, or a list of them", "an empty list"), one
            )
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            _unusable(Rejection("not_json", "$", f"{one}, or a list of them", str(error)), one)
    return [raw] if start else _unusable(unparsable(b"", 1), one)


def out_of_envelopes(raw: list[bytes], headers: Iterable[tuple[str, str]], types: Container[str]) -> list[bytes]:
    """The events of a request out of their CloudEvents envelopes; other events as they are.

    Args:
        raw: The bytes of each.
        headers: Of the request. With those of binary mode, its only event is the data.
        types: Words that are event types.

    >>> headers = [("ce-specversion", "1.0"), ("ce-id", "e-7"), ("ce-type", "click")]
    >>> out_of_envelopes([b'{"user_id":"ann"}'], headers, {"click"})
    [b'{"event_id":"e-7","event_type":"click","user_id":"ann"}']
    """
    found = cloud_events.attributes(headers, "ce-") if len(raw) == 1 else {}
    return [cloud_events.event_of(each, types, found) for each in raw]


def _unusable(problem: Rejection | None, one: str) -> list[bytes]:
    assert problem is not None
    raise Problem(
        "bad-request",
        f"The body cannot be split into {one.rsplit(maxsplit=1)[-1]}s: {problem}.",
        f"Send {one} as a JSON object, a list of them, or one per line with Content-Type application/x-ndjson.",
    )
