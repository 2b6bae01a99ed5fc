"""In: decisions that moved the pointer. Out: after a roll-back for harm an order that holds what did it, if wanted.

What is served is mended by the roll-back itself; this is about what is learnt. The order is given once, by the service
that rolled back. Where Kafka or Redis is away the gate goes on proposing it (`GET /gate/quarantine`); the log says so.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from typing import Final

from models.gate import decision as gate
from models.records import Quarantine, encode_control
from service.gate.gatekeeper import Gatekeeper, RevisionConflict
from service.ingest import EventPublisher, KafkaUnavailable, Outgoing
from service.runtime import logs
from streaming.kafka import RecordRefused
from streaming.store import StoreUnavailable

TRIES: Final = 8
"""Times the order is noted while the gate decides something in between."""

ACTOR: Final = "auto"


class AutoQuarantine:
    """For a gatekeeper to tell of its moves; what has to wait happens on a thread of its own."""

    def __init__(self, keeper: Gatekeeper, intake: EventPublisher) -> None:
        self._keeper, self._intake = keeper, intake

    def moved(self, decision: gate.Decision) -> None:
        """A decision took effect."""
        order = order_for(decision, secrets.token_hex(6))
        if order is not None:
            threading.Thread(target=self._give, args=(order,), name="holding", daemon=True).start()

    def _give(self, order: Quarantine) -> None:
        try:
            note(self._keeper.ask, lambda: self._keeper.revision, order)
            self._intake.send("control", [Outgoing("", encode_control(order))])
        except (RevisionConflict, StoreUnavailable, KafkaUnavailable, RecordRefused) as error:
            logs.warn("not held", quarantine=order.id, version=order.version, detail=str(error))


def order_for(decision: gate.Decision, name: str) -> Quarantine | None:
    """What holds all since the version that was rolled back to; None unless the gate did so by itself.

    >>> state, good = gate.GateState(), gate.Version("5-1-ab", 5)
    >>> order_for(gate.Decision("rollback", ("harm",), {}, state, target=good), "5f")
    Quarantine(id='q-5f', version='5-1-ab', actor='auto', reason='harm')
    >>> order_for(gate.Decision("rollback", ("requested", "sound"), {}, state, target=good), "5f")
    >>> order_for(gate.Decision("promote", ("sound",), {}, state, target=good), "5f")
    """
    if decision.action != "rollback" or decision.target is None or "requested" in decision.reasons:
        return None
    return Quarantine(f"q-{name}", decision.target.id, ACTOR, ", ".join(decision.reasons))


def note(ask: Callable[[gate.Request, int], gate.Decision], revision: Callable[[], int], order: Quarantine) -> None:
    """Put the order into the audit, also when other decisions come first. Raises RevisionConflict, StoreUnavailable."""
    request = gate.Request("quarantine", ACTOR, f"{order.reason} ({order.id}: back to {order.version})")
    for last in range(TRIES):
        try:
            ask(request, revision())
        except RevisionConflict:
            if last == TRIES - 1:
                raise
        else:
            return


__all__ = ["AutoQuarantine", "note", "order_for"]
