"""Orders about quarantines and a model in, the model put back or taught again out. Stage 4.

Each is one step between two batches: nothing is cut within it, so that after a death the version before it is loaded,
and the order is carried out again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from models import dimensions as dim
from models.ledger import Admission, Quarantined, Receipt, id_hash, quarantine
from models.recommender import Recommender, RecommenderOptions
from models.records import Drop, Erase, Event, Quarantine, Replay
from models.state import SCHEMA, combined
from streaming.consumer import ranges
from streaming.intake import Intake, PreparedBatch
from streaming.settings import Settings
from streaming.store import Store
from streaming.versions import loading as versions

if TYPE_CHECKING:
    from streaming.learner.parts import Model

log = logging.getLogger(__name__)


class QuarantineOrders:
    """Carries orders out. For the learner's thread, which waits for it.

    intake: makes what reads records again, from an admission. over: whether to give up.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        mine: RecommenderOptions,
        intake: Callable[[Admission], Intake],
        over: Callable[[], bool],
    ) -> None:
        self._settings, self._store, self._mine, self._intake, self._over = settings, store, mine, intake, over
        self._others = {settings.topic("items"), settings.topic("control")}

    def carry_out(self, order: Quarantine | Replay | Drop, at: float, model: Model) -> bool:
        """Whether the model's tables are others now: then what is known of the old ones is void, and a base is due.

        An order that cannot be carried out changes nothing: the log says why, and so does the list of quarantines.
        `at`: time of its record. Raises StoreUnavailable, BrokerAway, Interrupted; nothing of it was done then.
        """
        try:
            if isinstance(order, Quarantine):
                self._hold(order, at, model)
            elif isinstance(order, Replay):
                self._replay(order, model)
            else:
                held = quarantine.find(model.progress, order.quarantine)
                quarantine.drop(model.progress, held, _said(order))
                log.warning("quarantine %s: %d events are given up", held.id, held.events)
                return False
        except quarantine.OrderRefused as refused:
            log.error("order %s is refused: %s", order.id, refused)
            if isinstance(order, Quarantine):
                quarantine.refuse(model.progress, _asked(order, at), str(refused))
            return False
        return True

    def _hold(self, order: Quarantine, at: float, model: Model) -> None:
        healthy = self._healthy(order.version)
        ask = msgspec.structs.replace(_asked(order, at), seq=healthy.manifest.seq)
        held = quarantine.hold(model.progress, healthy.manifest.progress, self._others, ask)
        live, known = model.state, model.state.keys["item"].rows
        # Taken off or evicted since: it would come back otherwise.
        gone = [item for item in healthy.state.keys["item"].rows if item not in known]
        Recommender(healthy.state, self._mine).remove("item", gone)
        model.state = combined(healthy.state, live)
        model.recommender = Recommender(model.state, self._mine)
        # What the shop said since is live. The vectors of its words are in the tables, not among the facts.
        content = live.tables["item_content"].columns["v"]
        model.recommender.describe(
            (item, facts._replace(content=content[known[item]].tobytes()))
            for item, facts in model.catalogue.facts.items()
            if item in known
        )
        log.warning("quarantine %s: back to what %s had learnt, %d events are held", held.id, held.version, held.events)

    def _healthy(self, version: str) -> versions.Loaded:
        try:
            found = versions.load(self._store, version, SCHEMA, served_only=False, ceilings=self._mine.ceilings())
        except versions.NoSoundVersion as error:
            raise quarantine.OrderRefused(str(error)) from None
        if found is None or found.manifest.id != version:
            raise quarantine.OrderRefused(f"version {version} is damaged or gone")
        return found

    def _replay(self, order: Replay, model: Model) -> None:
        held = quarantine.find(model.progress, order.quarantine)
        accepted = model.admission.accepted(held.first, held.last)
        # Users as of now have done it all, and what came after. It is learnt as of strangers, and they keep their rows.
        recommender = Recommender(combined(model.state, None), self._mine)
        intake = self._intake(Admission(model.admission.rules, erasures=model.admission.erasures))
        learnt = 0
        for polled in ranges.read(self._settings, held.pieces, model.progress.offsets, self._over):
            events, times = _accepted(intake.prepare(polled), accepted)
            recommender.learn_events(events, times, model.catalogue.facts)
            learnt += len(events)
        model.state = combined(recommender.state, model.state)
        model.recommender = Recommender(model.state, self._mine)
        quarantine.replayed(model.progress, held, learnt, _said(order))
        log.warning("quarantine %s: %d of %d events are learnt after all", held.id, learnt, held.events)


def _asked(order: Quarantine, at: float) -> Quarantined:
    return Quarantined(order.id, at, order.version, order.reason, order.actor)


def _said(order: Replay | Drop) -> str:
    return f"{order.actor}: {order.reason}"


def _accepted(batch: PreparedBatch, accepted: set[int] | None) -> tuple[list[Event], list[float]]:
    """The events that were accepted when they first came, as far as the dedupe window still knows."""
    if accepted is None:
        return batch.events, batch.record_times
    kept = [at for at, each in enumerate(batch.events) if each.event_id is None or id_hash(each.event_id) in accepted]
    return [batch.events[at] for at in kept], [batch.record_times[at] for at in kept]


__all__ = ["QuarantineOrders", "erase"]


def erase(order: Erase, at: float, dedupe_entries: int, recommender: Recommender) -> Receipt:
    """Forget the user: the row, the ring of interactions, the search under way. What items learnt of them stays.

    It depends on nothing but the state and the record, so that learnt again after a crash it does the same.
    """
    state = recommender.state
    row = state.keys["user"].rows.get(order.user, -1)
    ring = state.tables["user_ring"].columns["item"][max(row, 0) * dim.RING : (row + 1) * dim.RING]
    interactions = int(np.count_nonzero(ring >= 0))
    found = recommender.remove("user", [order.user])
    return Receipt(order.id, at, found, interactions, dedupe_entries)
