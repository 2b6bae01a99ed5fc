"""In: settings and telemetry. Out: what the models, the checkpointer and the brokers want of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from models.ledger.admission import AdmissionRules
from models.recommender.recommender import RecommenderSettings
from models.records.items import ItemFacts
from models.snapshot.manifest import Manifest
from streaming.live.facts import FactsFollower
from streaming.settings.loading import Settings
from streaming.store.store import Store
from streaming.telemetry import LearnerTelemetry

BRIEF_BOOTSTRAP, BRIEF_REQUEST = 2.0, 5.0
"""Seconds one try of the learner may take to find a broker and one request: it tries for ever and may have to stop."""


def recommender_settings(settings: Settings) -> RecommenderSettings:
    """What the recommender needs of the settings."""
    mine = settings.recommender
    return RecommenderSettings(
        items=mine.max_items,
        users=mine.max_users,
        categories=mine.max_categories,
        brands=mine.max_brands,
        queries=mine.max_queries,
        admit_after=mine.admit_after,
        weights=tuple(settings.events.rules().weights),
    )


def admission_rules(settings: Settings) -> AdmissionRules:
    """What admission needs of the settings."""
    mine = settings.admission
    return AdmissionRules(mine.dedupe_window, mine.max_lateness, mine.max_future, mine.cap_per_minute)


def brief(settings: Settings) -> Settings:
    """The same settings with short Kafka time-outs, for calls that are repeated until they succeed."""
    kafka = settings.kafka
    shorter = {
        "bootstrap_timeout": min(kafka.bootstrap_timeout, BRIEF_BOOTSTRAP),
        "request_timeout": min(kafka.request_timeout, BRIEF_REQUEST),
    }
    return settings.model_copy(update={"kafka": kafka.model_copy(update=shorter)})


def stored_facts(store: Store) -> Iterator[tuple[str, ItemFacts]]:
    """What the shop has told of its items so far, from Redis."""
    follower = FactsFollower(store)
    follower.step()
    for item in follower.items():
        found = follower.get(item)
        if found is not None:
            yield item, found


def failpoint(wanted: str) -> Callable[[str], None]:
    """Dies as if killed when the point of that name is reached; for crash tests. "" never does."""

    def reached(name: str) -> None:
        if name == wanted:
            os._exit(137)

    return reached


@dataclass(frozen=True)
class VersionMetrics:
    """What the checkpointer tells, as metrics."""

    telemetry: LearnerTelemetry

    def phase(self, name: str, seconds: float) -> None:
        """One phase of one version took this long."""
        self.telemetry.version_phase.labels(name).observe(seconds)

    def committed(self, manifest: Manifest) -> None:
        """A version, or a base beside one that is older, is in Redis."""
        self.telemetry.version_bytes.labels(manifest.kind).inc(manifest.size)
        self.telemetry.version_size.labels(manifest.kind).set(manifest.size)
        if not manifest.beside:
            self.telemetry.newest(manifest)

    def failed(self, kind: str, error: Exception) -> None:
        """A version is not in Redis."""
        del error
        self.telemetry.version_failures.labels(kind).inc()
        if kind == "fenced":
            self.telemetry.fenced.inc()
