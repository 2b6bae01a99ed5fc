"""The parts of one service process: assembles them, starts and stops them in order."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from starlette.concurrency import run_in_threadpool

from models.experiments import Segment, segment_of
from models.slate import Showings
from models.state import SCHEMA
from service.gate import AuditCheck, AutoQuarantine, Gatekeeper, PageFeed
from service.http import ApiKeys, RequestOptions
from service.ingest import (
    Beacons,
    Completions,
    DeadLetterReader,
    EventPublisher,
    ForeignRecords,
    Proofs,
    RefusedSamples,
)
from service.runtime import RateLimit
from service.runtime.telemetry import Telemetry
from service.serving import (
    CONNECTION_TIMEOUT,
    BadLanguage,
    ErasureFollower,
    Histories,
    ItemCatalogue,
    Languages,
    RecommendedLately,
    SlateLog,
    TableSets,
    read,
)
from streaming.settings import Settings
from streaming.store import QuickStore, Store
from streaming.tracing import Tracer

CLOSING: Final = 1.0
"""Seconds to close the connections of the event loop."""


BATCHES: Final = 2
"""Requests for many users that are answered at once: each adds a turn of 1 ms to what a single request waits."""

SEARCHES: Final = 2
"""Searches of the catalogue at once: each takes a thread, and turns of half a millisecond from requests."""


@dataclass(frozen=True, slots=True)
class Context:
    """The parts that routes use. One per process, reached as `request.app.state.context`."""

    settings: Settings
    telemetry: Telemetry
    keys: ApiKeys
    store: Store
    quick: QuickStore
    tables: TableSets
    catalogue: ItemCatalogue
    catalogue_store: Store
    gatekeeper: Gatekeeper
    histories: Histories
    intake: EventPublisher
    foreign: ForeignRecords
    completions: Completions
    buckets: RateLimit
    beacons: Beacons
    proofs: Proofs
    showings: Showings
    erasures: ErasureFollower
    slates: SlateLog
    live: PageFeed
    audit: AuditCheck
    options: RequestOptions
    batches: threading.Semaphore
    searches: threading.Semaphore
    lately: RecommendedLately
    dead_letters: DeadLetterReader
    refused: RefusedSamples
    languages: Languages
    segments: tuple[Segment, ...] = ()
    """Segments of users whose slates are counted apart."""
    clock: Callable[[], float] = time.time
    warm: threading.Event = field(default_factory=threading.Event)
    """Set once a page was made before the first request."""

    @property
    def loaded(self) -> bool:
        """Whether all that an answer needs is loaded: facts of all items and, if there is a version, the champion."""
        return self.gatekeeper.ready and self.catalogue.ready.is_set()

    @property
    def ready(self) -> bool:
        """Whether requests may come."""
        return self.loaded and self.warm.is_set()

    def start(self) -> None:
        """Start to follow the store and to connect to Kafka."""
        self.catalogue.start()
        self.gatekeeper.start()
        self.intake.start()
        self.slates.start()
        self.erasures.start()
        self.audit.start()
        self.live.start()

    async def stop(self) -> None:
        """Stop in reverse order; records that wait for Kafka are sent. Each part has a bound, 10 s for all together."""
        try:
            await asyncio.gather(self.live.stop(), self.erasures.stop())
            await run_in_threadpool(self._stop_threads)
        finally:
            for store in (self.store, self.catalogue_store):
                store.close()
            with contextlib.suppress(TimeoutError):  # the connections end with the process
                await asyncio.wait_for(self.quick.close(), CLOSING)

    def _stop_threads(self) -> None:
        self.slates.stop()
        self.intake.stop()
        self.gatekeeper.stop()
        self.audit.stop()
        self.catalogue.close()


def assemble(settings: Settings, telemetry: Telemetry, tracer: Tracer | None = None, *, trusted: bool) -> Context:
    """Assemble the parts of one service process.

    Args:
        settings: The settings in force.
        telemetry: The metrics of this process.
        tracer: Follows recorded traces; None where tracing is off.
        trusted: Whether roles without a key are open.

    Raises:
        BadKeys: The configured keys cannot be used.
        BadLanguage: A file of sentences cannot be used, or a language that the settings name has none.
        OSError: A password file cannot be read, or that with the secret for proofs.
    """
    keys = ApiKeys(settings.service.keys, settings.service.keys_file, trusted=trusted)
    store = Store.for_service(settings)
    catalogue_store = Store.for_service(settings)
    quick = QuickStore(settings, CONNECTION_TIMEOUT)
    tables = TableSets(store, SCHEMA)
    showings = Showings()
    intake = EventPublisher(settings, away=telemetry.kafka_away.set, tracer=tracer)
    telemetry.name_scenarios(settings.scenario)
    catalogue = ItemCatalogue(catalogue_store)
    keeper = Gatekeeper(store, tables, SCHEMA, settings, telemetry, f"{socket.gethostname()}:{os.getpid()}")
    keeper.follower.tracer = tracer
    if settings.gate.quarantine == "auto":
        keeper.moved = AutoQuarantine(keeper, intake).moved
    return Context(
        settings=settings,
        telemetry=telemetry,
        keys=keys,
        store=store,
        quick=quick,
        tables=tables,
        catalogue=catalogue,
        catalogue_store=catalogue_store,
        gatekeeper=keeper,
        histories=Histories(quick, telemetry),
        intake=intake,
        foreign=ForeignRecords(settings),
        completions=Completions(intake, catalogue),
        buckets=RateLimit(settings.service.rate_limit),
        beacons=Beacons(settings.service, settings.events),
        proofs=Proofs(settings.service.identify_secret_file),
        showings=showings,
        erasures=ErasureFollower(quick, showings, intake, keeper.reader.reservoir),
        slates=SlateLog(settings, telemetry, lambda: intake.producer),
        audit=AuditCheck(store, telemetry),
        options=_options(settings),
        languages=_languages(settings),
        segments=tuple(map(segment_of, settings.learner.segments)),
        batches=threading.BoundedSemaphore(BATCHES),
        searches=threading.BoundedSemaphore(SEARCHES),
        lately=RecommendedLately(),
        dead_letters=DeadLetterReader(settings),
        refused=RefusedSamples(),
        live=PageFeed(tables, keeper, store, telemetry, time.time),
    )


def _options(settings: Settings) -> RequestOptions:
    settled = {"exclude_seen": settings.service.exclude_seen, "exclude_in_view": settings.service.exclude_in_view}
    return RequestOptions(settled, {name: scenario.options() for name, scenario in settings.scenario.items()})


def _languages(settings: Settings) -> Languages:
    found = Languages(read(settings.service.languages_dir), settings.service.language)
    for name, scenario in settings.scenario.items():
        if scenario.language is not None and not found.known(scenario.language):
            raise BadLanguage(f"scenario.{name}.language: {scenario.language!r} is no language with sentences")
    return found


__all__ = ["Context", "assemble"]
