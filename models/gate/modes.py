"""Changes of the mode: an operator's request, and a freeze that ends by itself. Stage 6."""

from __future__ import annotations

import msgspec

from models.gate.evidence import GateState, Policy, Request
from models.gate.vocabulary import Mode


def thawed(state: GateState, now: float) -> tuple[GateState, bool]:
    """Returns the state at `now` (epoch seconds) and whether a freeze has just run out.

    >>> frozen = GateState(mode="frozen", before_freeze="manual", frozen_until=5.0)
    >>> thawed(frozen, 5.0)[0].mode, thawed(frozen, 4.0)[0].mode
    ('manual', 'frozen')
    """
    if state.mode != "frozen" or state.frozen_until is None or now < state.frozen_until:
        return state, False
    return msgspec.structs.replace(state, mode=state.before_freeze, frozen_until=None), True


def changed(state: GateState, request: Request, policy: Policy, now: float) -> GateState:
    """Returns the state in the mode that the request asks for. A freeze without an end gets the policy's."""
    mode: Mode = "frozen" if request.verb == "freeze" else state.before_freeze
    if request.verb == "mode":
        mode = request.mode or state.mode
    until = None
    if mode == "frozen":
        until = request.until if request.until is not None else now + policy.freeze
    elif request.verb == "thaw" and state.mode != "frozen":
        mode = state.mode
    return msgspec.structs.replace(
        state,
        mode=mode,
        before_freeze=state.before_freeze if state.mode == "frozen" else state.mode,
        frozen_until=until,
        mode_reason=request.reason,
        mode_actor=request.actor,
    )


__all__ = ["changed", "thawed"]
