"""Chooses the versions that may be unlinked: those that neither a pointer nor the bounded history needs. Stage 5."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from models.snapshot import Manifest

BASES_KEPT: Final = 5
"""Newest bases whose versions are kept for rollback and as second copies when one is damaged."""

HISTORY_BYTES: Final = 1 << 30
"""Bytes that history may take unless `learner.history_bytes` says otherwise, 1 GiB."""

BESIDE: Final = ".base"
"""Appended to the id of a version, this names the base that holds the same state."""


def unneeded(
    versions: Mapping[str, Manifest],
    named: Collection[str],
    bases: int = BASES_KEPT,
    history_bytes: int = HISTORY_BYTES,
) -> list[str]:
    """Ids of versions that may be unlinked, oldest first.

    Kept are the versions that pointers name, with the base and deltas each is loaded from, and a history: everything
    from the newest base on, and from older bases on within the two bounds. When two bases follow an erasure, no history
    from before the erasure is kept.

    Args:
        versions: All manifests, by id.
        named: Ids that pointers name.
        bases: Bases that the history may begin with.
        history_bytes: Bytes that the history may take.
    """
    kept = {id_ for version in named for id_ in _path(versions, version)}
    since = _history(versions, bases, history_bytes)
    kept |= {id_ for id_, manifest in versions.items() if manifest.seq >= since}
    return sorted(versions.keys() - kept, key=lambda id_: (versions[id_].seq, id_))


def _path(versions: Mapping[str, Manifest], version: str) -> Iterator[str]:
    """The ids of a version, of its ancestors down to the nearest base, and of that base."""
    while version in versions:
        yield version
        if version + BESIDE in versions:
            yield version + BESIDE
            return
        version = versions[version].parent


def _history(versions: Mapping[str, Manifest], bases: int, history_bytes: int) -> int:
    """The sequence number from which on everything is kept."""
    found = {m.seq: m.erasure_seq for m in versions.values() if m.kind == "base"}
    newest_first = sorted(found, reverse=True)
    since = newest_first[0] if newest_first else 0
    # Users who were erased before the second newest base must not come back from an older one.
    erased_in = found[newest_first[1]] if len(newest_first) > 1 else 0
    for seq in newest_first[:bases]:
        if seq < erased_in:
            break
        if sum(m.size for m in versions.values() if m.seq >= seq) > history_bytes:
            break
        since = seq
    return since


def bytes_since_base(versions: Mapping[str, Manifest], version: str) -> tuple[int, int]:
    """Bytes of the deltas from the nearest base up to `version`, and bytes of that base; (0, 0) without a base."""
    deltas = 0
    for id_ in _path(versions, version):
        base = versions.get(id_ + BESIDE, versions[id_])
        if base.kind == "base":
            return deltas, base.size
        deltas += base.size
    return 0, 0
