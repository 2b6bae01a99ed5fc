"""Keeps pauses as long as they were meant when a clock is set back. Stage 6.

Moments are in epoch seconds: several services share one state, and none knows another's monotonic clock. So a clock
that is set back by a day would prolong each pause by a day. What the state has seen already cannot lie ahead: when it
does, the clock was set back, and all moments are moved back with it. What is left of a pause stays left of it.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from models.gate.evidence import GateState

APART: Final = 60.0
"""Seconds by which the clocks of two services may differ, and by which a clock that is set back may prolong a pause."""


def _seen(state: GateState) -> float:
    """Returns the latest moment at which something of the state happened."""
    return max(state.audited_at, state.promoted_at, state.rolled_back_at, state.looked_at)


def settled(state: GateState, now: float) -> GateState:
    """Returns the state with moments that fit a clock which says `now`.

    >>> state = GateState(rolled_back_at=1_000_000.0, cool_until=1_000_300.0, audited_at=1_000_000.0)
    >>> settled(state, 1_000_100.0) is state
    True
    >>> day_before = 1_000_100.0 - 86_400.0
    >>> back = settled(state, day_before)
    >>> back.cool_until - day_before, back.rolled_back_at == back.audited_at == day_before
    (300.0, True)
    """
    ahead = _seen(state) - now
    if ahead <= APART:
        return state
    moments = ("audited_at", "promoted_at", "rolled_back_at", "looked_at", "cool_until")
    moved: dict[str, Any] = {name: getattr(state, name) - ahead for name in moments if getattr(state, name)}
    if state.frozen_until is not None:
        moved["frozen_until"] = state.frozen_until - ahead
    anchors = tuple(msgspec.structs.replace(each, since=each.since - ahead) for each in state.anchors)
    return msgspec.structs.replace(state, anchors=anchors, **moved)


__all__ = ["APART", "settled"]
