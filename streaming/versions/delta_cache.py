"""Keeps decoded deltas, because two table sets follow one chain, one after the other. Stage 7."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from models.snapshot import Decoded, Manifest

KEPT_BYTES: Final = 64 << 20
"""Bytes of deltas that are kept, 64 MiB: ten seconds of deltas at 2,000 events/s. A table set that is further behind
fetches the older ones again."""


class Step(NamedTuple):
    """One delta: its manifest and what it carries."""

    manifest: Manifest
    decoded: Decoded


class DeltaCache:
    """The newest deltas that were fetched, verified and decoded here. Their arrays are never written to.

    Args:
        limit: Bytes of deltas to keep.
    """

    def __init__(self, limit: int = KEPT_BYTES) -> None:
        self._limit = limit
        self._steps: dict[str, Step] = {}

    @property
    def manifests(self) -> dict[str, Manifest]:
        """Manifests of the deltas that are kept, by id."""
        return {version: step.manifest for version, step in self._steps.items()}

    def get(self, version: str) -> Step | None:
        """The delta with that id, None when it is not kept."""
        return self._steps.get(version)

    def keep(self, chain: Sequence[Step]) -> None:
        """Keep this chain, oldest first, instead of the one before; of a long chain its newest part."""
        self._steps = {}
        size = 0
        for step in reversed(chain):
            size += step.manifest.size
            if size > self._limit:
                break
            self._steps[step.manifest.id] = step


__all__ = ["DeltaCache", "Step"]
