"""Carries out orders about quarantines on the learner's model: puts it back, or teaches it again. Stage 4.

An order is carried out in one step between two batches, and no version is cut within it. After a crash the version
before the order is loaded, and the order is carried out again.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from typing import Final

import msgspec

from models.ledger import Admission, Quarantined, quarantine
from models.looking import Look
from models.recommender import FactsLike, Recommender
from models.records import Drop, Event, Quarantine, Replay
from models.state import SCHEMA, State, combined
from streaming import versions
from streaming.consumer import ranges
from streaming.intake import Contents, PreparedBatch, intake_of, recommender_settings
from streaming.kafka import DataUnreadable
from streaming.learning import Model, learn_batch
from streaming.settings import Settings
from streaming.store import Store

log = logging.getLogger(__name__)

SWEPT_TOGETHER: Final = 100_000
"""Items that leave a model between two looks. Each sweep passes over every reference, some 0.1 s at the ceilings."""

DESCRIBED_TOGETHER: Final = 1_000
"""Items whose facts are taken over between two looks."""


class QuarantineOrders:
    """Carries orders out on the learner's thread, which waits for it.

    Args:
        settings: The recommender's options, and the topics to read again.
        store: Where versions are loaded from.
        contents: Makes vectors of item facts.
        look: Called after each slice of the work: an order may take minutes. What it raises gives the order up.
    """

    def __init__(self, settings: Settings, store: Store, contents: Contents, look: Look) -> None:
        self._settings, self._store, self._contents, self._look = settings, store, contents, look
        self._options = recommender_settings(settings)
        self._without_events = {settings.topic("items"), settings.topic("control")}

    def carry_out(self, order: Quarantine | Replay | Drop, at: float, model: Model) -> bool:
        """Carry out one order; True when the model has other tables now. A base is due then, and old evidence is void.

        An order that cannot be carried out changes nothing: the log says why, and so does the list of quarantines.

        Args:
            order: The order.
            at: Time of its record, epoch seconds.
            model: Changed in place.

        Raises:
            StoreUnavailable: The version to go back to cannot be loaded now.
            BrokerAway: The records to learn cannot be read now.
            Interrupted: As the look raises it. In all three cases the model is unchanged.
        """
        try:
            if isinstance(order, Quarantine):
                self._hold(order, at, model)
            elif isinstance(order, Replay):
                self._replay(order, model)
            else:
                held = quarantine.find(model.progress, order.quarantine)
                quarantine.drop(model.progress, held, _reason(order))
                log.warning("quarantine %s: %d events are given up", held.id, held.events)
                return False
        except quarantine.OrderRefused as refused:
            log.error("order %s is refused: %s", order.id, refused)
            if isinstance(order, Quarantine):
                quarantine.refuse(model.progress, _quarantined(order, at), str(refused))
            return False
        return True

    def _hold(self, order: Quarantine, at: float, model: Model) -> None:
        healthy = self._healthy(order.version)
        ask = msgspec.structs.replace(_quarantined(order, at), seq=healthy.manifest.seq)
        # Refused at once, if it must be, and carried out when the tables are there.
        quarantine.hold(model.progress.copy(), healthy.manifest.progress, self._without_events, ask)
        recommender = self._gone_back(healthy.state, model)
        held = quarantine.hold(model.progress, healthy.manifest.progress, self._without_events, ask)
        model.recommender = recommender
        log.warning("quarantine %s: back to version %s, %d events are held", held.id, held.version, held.events)

    def _gone_back(self, healthy: State, model: Model) -> Recommender:
        """A recommender with healthy tables and with today's users and facts; `healthy` is used up."""
        known = model.state.keys["item"].rows
        # Items that were removed or evicted since would come back otherwise.
        gone = [item for item in healthy.keys["item"].rows if item not in known]
        before = Recommender(healthy, self._options)
        for start in range(0, len(gone), SWEPT_TOGETHER):
            before.remove("item", gone[start : start + SWEPT_TOGETHER])
            self._look()
        recommender = Recommender(combined(healthy, model.state, self._look), self._options)
        recommender.describe(self._facts(model))
        return recommender

    def _facts(self, model: Model) -> Iterator[tuple[str, FactsLike]]:
        """Today's facts of the items that the model knows, which are newer than a version's."""
        # Vectors made of their words are in the tables, not among the facts.
        known, content = model.state.keys["item"].rows, model.state.tables["item_content"].columns["v"]
        for number, (item, facts) in enumerate(model.catalogue.facts.items()):
            if number % DESCRIBED_TOGETHER == 0:
                self._look()
            if item in known:
                yield item, facts._replace(content=content[known[item]].tobytes())

    def _healthy(self, version: str) -> versions.Loaded:
        try:
            loaded = versions.load(
                self._store, version, SCHEMA, served_only=False, ceilings=self._options.ceilings(), look=self._look
            )
        except versions.NoSoundVersion as error:
            raise quarantine.OrderRefused(str(error)) from None
        if loaded is None or loaded.manifest.id != version:
            raise quarantine.OrderRefused(f"version {version} is damaged or gone")
        return loaded

    def _replay(self, order: Replay, model: Model) -> None:
        held = quarantine.find(model.progress, order.quarantine)
        accepted = model.admission.accepted(held.first, held.last)
        # Users have done all this already, and more since. It is learned as the events of strangers, and users keep
        # their rows.
        strangers = Recommender(combined(model.state, None, self._look), self._options)
        known = model.admission
        admission = Admission(known.rules, erasures=known.erasures, identities=known.identities)
        again = Model(strangers, admission, model.catalogue)
        intake = intake_of(self._settings, again.admission, self._contents)
        learned = 0
        try:
            pieces = ranges.read(self._settings, held.pieces, model.progress.offsets, self._look)
            for polled in itertools.chain.from_iterable(map(intake.steps, pieces)):
                before, prepared = again.admission.position, intake.prepare(polled)
                hashes = again.admission.since(before, prepared.arrivals).event_hash.tolist()
                # Events alone: the records were counted and their orders carried out when they were first read.
                batch = PreparedBatch(*_accepted(prepared, hashes, accepted))
                learn_batch(again, batch)
                learned += len(batch.events)
        except DataUnreadable as error:
            raise quarantine.OrderRefused(f"its records cannot be read now, and stay held: {error}") from error
        model.recommender = Recommender(combined(again.state, model.state, self._look), self._options)
        quarantine.replayed(model.progress, held, learned, _reason(order))
        log.warning("quarantine %s: %d of %d events are learned after all", held.id, learned, held.events)


def _quarantined(order: Quarantine, at: float) -> Quarantined:
    return Quarantined(order.id, at, order.version, order.reason, order.actor)


def _reason(order: Replay | Drop) -> str:
    return f"{order.actor}: {order.reason}"


def _accepted(batch: PreparedBatch, hashes: list[int], accepted: set[int] | None) -> tuple[list[Event], list[float]]:
    """The events that were accepted when they first came, as far as the dedupe window still knows.

    Args:
        batch: The events.
        hashes: By which the window knows each of them, 0 for one without an id.
        accepted: Hashes of those that were accepted.
    """
    if accepted is None:
        return batch.events, batch.record_times
    kept = [at for at, found in enumerate(hashes) if not found or found in accepted]
    return [batch.events[at] for at in kept], [batch.record_times[at] for at in kept]


__all__ = ["QuarantineOrders"]
