"""Orders a quarantine after an automatic rollback for harm, when `gate.quarantine` is "auto".

The rollback repairs the champion; the quarantine repairs the learner's model. The service that rolled back gives the
order once. Where Kafka or Redis is away the gate keeps proposing it (`GET /gate/quarantine`), and the log says so.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from typing import Final

from models import gate
from models.records import Quarantine, encode_control
from service.gate.gatekeeper import Gatekeeper, RevisionConflict
from service.ingest import EventPublisher, KafkaUnavailable, Outgoing
from service.runtime import logs
from streaming.kafka import RecordRefused
from streaming.store import StoreUnavailable

TRIES: Final = 8
"""Attempts to put the order into the audit while the gate decides something in between."""

ACTOR: Final = "auto"

PROPOSED: Final = {"requested", "behind_anchor", "reference_lost"}
"""Reasons of rollbacks after which a quarantine is proposed at most."""


class AutoQuarantine:
    """Hears of the gatekeeper's moves, and gives orders from a thread of its own."""

    def __init__(self, keeper: Gatekeeper, intake: EventPublisher) -> None:
        self._keeper, self._intake = keeper, intake

    def moved(self, decision: gate.Decision) -> None:
        """Give an order if this decision, which took effect, calls for one."""
        order = order_for(decision, secrets.token_hex(6))
        if order is not None:
            threading.Thread(target=self._give, args=(order,), name="quarantine", daemon=True).start()

    def _give(self, order: Quarantine) -> None:
        try:
            note(self._keeper.ask, lambda: self._keeper.revision, order)
            self._intake.send("control", [Outgoing("", encode_control(order))])
        except (RevisionConflict, StoreUnavailable, KafkaUnavailable, RecordRefused) as error:
            logs.warn("quarantine not ordered", quarantine=order.id, version=order.version, detail=str(error))


def order_for(decision: gate.Decision, name: str) -> Quarantine | None:
    """The order to hold all events since the version of a rollback; None unless the gate rolled back by itself.

    Nothing is ordered after a rollback to an anchor: it would hold the events of hours or days, so a person decides.

    >>> state, good = gate.GateState(), gate.Version("5-1-ab", 5)
    >>> order_for(gate.Decision("rollback", ("harm",), {}, state, target=good), "5f")
    Quarantine(id='q-5f', version='5-1-ab', actor='auto', reason='harm')
    >>> order_for(gate.Decision("rollback", ("requested", "sound"), {}, state, target=good), "5f")
    >>> order_for(gate.Decision("rollback", ("behind_anchor",), {}, state, target=good), "5f")
    >>> order_for(gate.Decision("promote", ("sound",), {}, state, target=good), "5f")
    """
    if decision.action != "rollback" or decision.target is None or PROPOSED & {*decision.reasons}:
        return None
    return Quarantine(f"q-{name}", decision.target.id, ACTOR, ", ".join(decision.reasons))


def note(ask: Callable[[gate.Request, int], gate.Decision], revision: Callable[[], int], order: Quarantine) -> None:
    """Put the order into the audit, also when other decisions come first.

    Args:
        ask: Puts a request to the gate.
        revision: Returns the gate's current revision.
        order: The order.

    Raises:
        RevisionConflict: Other decisions came first each time.
        StoreUnavailable: Redis does not answer.
    """
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
