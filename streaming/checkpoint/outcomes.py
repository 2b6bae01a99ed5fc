"""Names what keeps a version from being committed, and shows versions as metrics. Stage 5."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from models.snapshot import Manifest, NotFinite
from streaming.store import KINDS, Fenced, MissingChunk, Stale, StoreUnavailable, WrongParent
from streaming.telemetry import LearnerTelemetry

REFUSALS: Final[dict[type[Exception], str]] = {
    Fenced: "fenced",
    Stale: "stale",
    WrongParent: "parent",
    MissingChunk: "missing",
    NotFinite: "not_finite",
}

FAILURES: Final = (*KINDS, *REFUSALS.values(), "listener", "bug")
"""Every kind that `Hooks.failed` is told: closed, because metric labels are made of it."""


def failure_kind(error: Exception) -> str:
    """A short, closed name for what kept a version from being committed: a metric label.

    >>> failure_kind(MissingChunk("c:0"))
    'missing'
    """
    return error.kind if isinstance(error, StoreUnavailable) else REFUSALS.get(type(error), "bug")


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
