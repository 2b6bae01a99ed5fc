"""Reads the log of a process, line by line; a line in another format is an error."""

from __future__ import annotations

import json
import re
from typing import Any

LINE = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00 (?P<level>[A-Z]+) (?P<process>[\w-]+): (?P<event>.*)", re.DOTALL
)
FURTHER = " " * 4
"""What a further line of an event begins with."""


def parsed(log: str, form: str) -> list[dict[str, Any]]:
    """Returns the events of a log in format `json` or `text`. Raises AssertionError for a line that does not fit."""
    lines = log.removesuffix("\n").split("\n") if log else []  # JSON may hold other ends of lines than this one
    return [_object(line) for line in lines] if form == "json" else _texts(lines)


def _object(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        raise AssertionError(f"no JSON: {line!r}") from None
    assert {"time", "level", "process", "event"} <= found.keys(), line
    return dict(found)


def _texts(lines: list[str]) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    for line in lines:
        if line.startswith(FURTHER):
            events[-1]["event"] += f"\n{line.removeprefix(FURTHER)}"
            continue
        found = LINE.fullmatch(line)
        assert found is not None, f"no line of a log: {line!r}"
        events.append(found.groupdict() | {"level": found["level"].lower()})
    return events
