"""Reads the objects of a JSON file with line numbers: one a line, over several lines, or in one array."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from models.records import parsed, said_by
from streaming.files.source import Source

Found = tuple[int, Any, str]
"""The line that an object begins at, the object, and why there is none."""

_MOST: Final = 1 << 26
_DIGITS: Final = 400
_CHUNK: Final = 1 << 20
_BETWEEN: Final = re.compile(r"[\s,\x1e]*")
_WRAPPED: Final = re.compile(
    rb'\s*\{(?:\s*"[^"]*"\s*:\s*(?:"[^"]*"|[\w.+-]+)\s*,)*\s*"'
    rb'(orders|events|products|items|data|results|records|rows|interactions|feedback|value)"\s*:\s*\[(?=\s*\{)'
)
_EVENT: Final = re.compile(
    rb'"(?:event|event_name|event_type|user_id|userId|user_pseudo_id|anonymousId|messageId)"[ \t]*:'
)
"""Names before a list that say what holds it is an event and not an answer."""

_LIST: Final = re.compile(r'"([^"\\]{1,80})"\s{0,80}:\s{0,80}\[(?=\s{0,80}\{)')
_NAME: Final = 400
"""Characters that may be a part of the name of a list, and are kept until the rest has been read."""

_NEXT: Final = re.compile(r"\n\s*\{")


def is_lines(head: bytes) -> bool:
    """Whether each line is an object of its own: the first one that is not blank is."""
    first = next((line for line in head.splitlines() if line.strip()), b"")
    if first.rstrip().endswith(b"},"):
        return False  # members of an array without its brackets
    if not first.startswith(b"{") or not first.rstrip().endswith(b"}"):
        # An object over several lines begins with a brace alone, or with a part; a broken line is reported as such.
        return first.startswith(b"{") and first.strip() != b"{" and len(head.splitlines()) > 1 and _second_begins(head)
    return True


def _second_begins(head: bytes) -> bool:
    lines = [line for line in head.splitlines() if line.strip()]
    return len(lines) > 1 and lines[1].startswith(b"{")


def of_lines(source: Source) -> Iterator[Found]:
    """One object a line. A line that is none is reported, and the rest is read."""
    for number, line in enumerate(io.BufferedReader(source, _CHUNK), 1):
        if not line.strip():
            continue
        try:
            document = _opened(parsed(line.removeprefix(b"\xef\xbb\xbf")))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            yield number, None, f"not a JSON object: {error}"
            continue
        yield number, document, "" if isinstance(document, dict) else "not a JSON object"


def _opened(document: Any) -> Any:
    """An object that was written as text, as programs do that encode JSON twice."""
    return said_by(document) if isinstance(document, str) else document


def wrapped_in(head: bytes) -> tuple[str, int]:
    """The name of the list of objects that a file is as a whole, as answers of APIs are, and the bytes before the list.

    >>> wrapped_in(b'{"count": 2, "orders": [{"id": 1}, {"id": 2}]}')
    ('orders', 23)
    """
    found = _WRAPPED.match(head)
    if found and any(line.startswith(b"{") for line in head.splitlines()[1:]):
        return "", 0  # each line is an object of its own, which holds such a list
    if found and _EVENT.search(head, 0, found.start(1)):
        return "", 0  # one event alone, whose items are in a list
    return (found[1].decode(), found.end() - 1) if found else ("", 0)


def of_documents(
    source: Source, named: str = "", line: int = 1, remarks: dict[str, str] | None = None
) -> Iterator[Found]:
    """Objects one after another, or the members of arrays one after another, over as many lines as they like.

    Args:
        source: The file, from the first object or bracket on.
        named: The name of the list, where the file is an object that holds it. It may hold it again, and so may objects
            behind it: answers of an API page by page.
        line: The line that this is.
        remarks: What else it holds, and is not read, is said there.
    """
    text = io.TextIOWrapper(io.BufferedReader(source, _CHUNK), "utf-8", errors="surrogateescape", newline="\n")
    decoder = json.JSONDecoder(parse_constant=lambda _: None, parse_int=_whole)
    buffer, ended = text.read(_CHUNK), False
    start = len(buffer) - len(buffer.lstrip())
    line += buffer.count("\n", 0, start)
    position = start + (buffer[start : start + 1] == "[")
    while True:
        between = _BETWEEN.match(buffer, position)
        begin = position if between is None else between.end()
        line += buffer.count("\n", position, begin)
        position = begin
        if position >= len(buffer) - 1 and not ended:
            buffer, position, ended = _more(text, buffer, position)
            continue
        if position >= len(buffer):
            return
        if buffer[position] == "]":
            if named:
                buffer, position, passed, ended = _next_list(text, buffer, position, ended, named, remarks)
                line += passed
                continue
            buffer, position, ended = _more(text, buffer, position + 1)
            behind = _BETWEEN.match(buffer)
            begin = behind.end() if behind is not None else 0
            if buffer[begin : begin + 1] not in {"[", "{", ""}:
                yield line + buffer.count("\n", 0, begin), None, "text behind the end of the array, which is not read"
                return
            line += buffer.count("\n", 0, begin)
            position = begin + (buffer[begin : begin + 1] == "[")
            continue
        try:
            document, end = decoder.raw_decode(buffer, position)
        except (json.JSONDecodeError, RecursionError) as error:
            if not ended and _cut(error, buffer) and len(buffer) - position < _MOST:
                buffer, position, ended = _more(text, buffer, position)
                continue
            yield line, None, f"not a JSON object: {error if isinstance(error, RecursionError) else error.msg}"
            after = _NEXT.search(buffer, getattr(error, "pos", position) if not ended else position + 1)
            if after is None:
                return
            end = after.end() - 1
        else:
            document = _opened(document)
            yield line, document, "" if isinstance(document, dict) else "not a JSON object"
        line += buffer.count("\n", position, end)
        position = end


def _whole(digits: str) -> float:
    """A whole number; infinity where Python would refuse to read so many digits, as 1e999 is."""
    return int(digits) if len(digits) < _DIGITS else float(digits)


def _next_list(
    text: io.TextIOWrapper, buffer: str, position: int, ended: bool, named: str, remarks: dict[str, str] | None
) -> tuple[str, int, int, bool]:
    """Goes to the next list of this name behind one that has ended, or to the end. Lists of other names are remarked.

    Returns:
        What was read on, the place in it, the lines passed, and whether the file ends there.
    """
    passed = 0
    while True:
        for found in _LIST.finditer(buffer, position):
            if found[1] == named:
                begin = found.end()
                return buffer, begin, passed + buffer.count("\n", position, begin), ended
            if remarks is not None:
                remarks.setdefault("list", f"the list {found[1]!r} of the file is not read, only {named!r} is")
        keep = max(position, len(buffer) - _NAME) if not ended else len(buffer)
        passed += buffer.count("\n", position, keep)
        if ended:
            return buffer, len(buffer), passed, True
        buffer, position, ended = _more(text, buffer, keep)


def _more(text: io.TextIOWrapper, buffer: str, position: int) -> tuple[str, int, bool]:
    rest = buffer[position:]
    more = text.read(max(_CHUNK, len(rest)))
    return rest + more, 0, not more


def _cut(error: Exception, buffer: str) -> bool:
    if not isinstance(error, json.JSONDecodeError):
        return False
    return error.msg.startswith("Unterminated") or error.pos >= len(buffer) - 10
