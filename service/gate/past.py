"""Keeps a look at the served version every two minutes for a day, so that a page that opens later can show it."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from typing import Any, Final

from service.http import PastAnswer

EVERY: Final = 120.0
"""Seconds between looks that are kept: a curve of a day has 720 points, as many as a screen shows."""
PAST_SPAN: Final = 86_400
"""Seconds that are kept: a day. Prometheus keeps more, and this process none after a restart."""
SUMMED: Final = ("slates", "failed")
"""Counts of a look, which are added up over those that are not kept."""
KEPT: Final = ("at", "sequence", "newest", "reference", "rate", "lag", "mode", "baseline", "held", "alarms", "anchors")
"""What is kept of a look as it is."""


class PastDay:
    """Keeps one look of many. For one thread.

    >>> day, look = PastDay(), dict.fromkeys(KEPT) | {"slates": 2, "failed": 0, "degraded": {}, "scores": {}}
    >>> for at in range(0, 241, 60):
    ...     day.add({**look, "at": float(at)})
    >>> day.answer(240.0, 150.0).at, day.answer(240.0, 150.0).slates
    ([120.0, 240.0], [4, 4])
    """

    def __init__(self) -> None:
        self._kept: deque[dict[str, Any]] = deque(maxlen=int(PAST_SPAN / EVERY))
        self._sums: Counter[str] = Counter()
        self._degraded: Counter[str] = Counter()

    def add(self, look: Mapping[str, Any]) -> None:
        """Take in a look."""
        self._sums.update({name: look[name] for name in SUMMED})
        self._degraded.update(look["degraded"])
        # A clock that was set back must not end the record.
        if self._kept and 0.0 <= look["at"] - self._kept[-1]["at"] < EVERY:
            return
        kept = {name: look[name] for name in KEPT} | {name: self._sums[name] for name in SUMMED}
        kept |= {"freshness": look.get("freshness"), "degraded": dict(self._degraded), "scores": look["scores"]}
        self._kept.append(kept)
        self._sums.clear()
        self._degraded.clear()

    def answer(self, now: float, seconds: float) -> PastAnswer:
        """The looks of the last `seconds`, as columns."""
        found = [look for look in self._kept if look["at"] >= now - seconds]
        names = {name: None for look in found for name in look["scores"]}
        columns = {name: [look[name] for look in found] for name in PastAnswer.__struct_fields__ if name != "scores"}
        return PastAnswer(**columns, scores={name: [look["scores"].get(name) for look in found] for name in names})


__all__ = ["PAST_SPAN", "PastDay"]
