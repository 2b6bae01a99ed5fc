"""Refusals of requests in; the newest kinds of them, each with a count and a sample, out.

A refused record of a request reaches no topic and no dead letter: only who sent it is told why. An operator sees here
what it was, without the sender's logs.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from service.http import EventOutcome, ItemOutcome, RefusedSample

MOST: Final = 24
"""Kinds of refusals that are kept, those seen last."""

_INDEX: Final = re.compile(r'\[(?:"(?:[^"\\]|\\.)*")?[^\]]*\]')


def field_of(path: str) -> str:
    """The field of a path, without places in lists and keys of maps, which come from who sent the record.

    >>> field_of("$.lines[3].sku"), field_of('$.context["ann]"]'), field_of("$.user_id")
    ('$.lines[].sku', '$.context[]', '$.user_id')
    """
    return _INDEX.sub("[]", path)


class RefusedSamples:
    """Refusals of this process by what was sent, reason and field. Any thread may add or ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kinds: dict[tuple[str, str, str], RefusedSample] = {}  # the one seen last is last

    def note(
        self, sent: Literal["events", "items"], outcomes: Iterable[EventOutcome | ItemOutcome], now: float
    ) -> None:
        """Count those of the outcomes that are refusals; `now` in epoch seconds."""
        refused = [each for each in outcomes if each.outcome == "rejected"]
        if not refused:
            return
        with self._lock:
            for each in refused:
                kind = sent, each.reason, field_of(each.path)
                before = self._kinds.pop(kind, None)
                count = 1 if before is None else before.count + 1
                self._kinds[kind] = RefusedSample(*kind, each.expected, count, now, each.found)
                if len(self._kinds) > MOST:
                    del self._kinds[next(iter(self._kinds))]

    def newest(self, *, values: bool) -> list[RefusedSample]:
        """One sample of each kind, the one seen last first. `values`: also what was found, which may be personal."""
        with self._lock:
            kinds = list(self._kinds.values())
        return [each if values else msgspec.structs.replace(each, found=None) for each in reversed(kinds)]


__all__ = ["MOST", "RefusedSamples", "field_of"]
