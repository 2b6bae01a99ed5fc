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
"""Every kind that `Hooks.failed` receives: a closed set, because metric labels are made of it."""


def failure_kind(error: Exception) -> str:
    """The kind of an error that kept a version from being committed, for a metric label.

    >>> failure_kind(MissingChunk("c:0"))
    'missing'
    """
    return error.kind if isinstance(error, StoreUnavailable) else REFUSALS.get(type(error), "bug")


@dataclass(frozen=True)
class VersionMetrics:
    """Hooks that show versions as metrics."""

    telemetry: LearnerTelemetry

    def phase(self, name: str, seconds: float) -> None:
        """Observe the duration of one phase of one version."""
        self.telemetry.version_phase.labels(name).observe(seconds)

    def committed(self, manifest: Manifest) -> None:
        """Show a version that was committed, or a base that was written for an older one."""
        self.telemetry.version_bytes.labels(manifest.kind).inc(manifest.size)
        self.telemetry.version_size.labels(manifest.kind).set(manifest.size)
        if not manifest.beside:
            self.telemetry.newest(manifest)

    def failed(self, kind: str, error: Exception) -> None:
        """Count a version that was not committed."""
        del error
        self.telemetry.version_failures.labels(kind).inc()
        if kind == "fenced":
            self.telemetry.fenced.inc()
