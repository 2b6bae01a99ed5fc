"""All versions and what points at them in, the versions nobody needs any more out. Pure. Stage 5."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from models.snapshot import Manifest

BASES_KEPT: Final = 5
"""Newest bases whose versions are kept for roll-back and as second copies when one is damaged."""

HISTORY_BYTES: Final = 1 << 30
"""Bytes that history may take, 1 GiB; what the pointers and the newest base need is kept beyond it."""

BESIDE: Final = ".base"
"""Appended to a version's id it names the base that was compacted beside it."""


def unneeded(
    versions: Mapping[str, Manifest],
    named: Collection[str],
    bases: int = BASES_KEPT,
    history_bytes: int = HISTORY_BYTES,
) -> list[str]:
    """Ids of versions that may be unlinked, oldest first.

    Kept are: every version a pointer names with what rebuilds it, and everything from the newest base on, and from
    older bases on as long as there are no more than `bases` of them and all of it is below `history_bytes`. Where two
    bases follow an erasure, no history is kept from before it.
    """
    kept = {id_ for version in named for id_ in _path(versions, version)}
    since = _history(versions, bases, history_bytes)
    kept |= {id_ for id_, manifest in versions.items() if manifest.seq >= since}
    return sorted(versions.keys() - kept, key=lambda id_: (versions[id_].seq, id_))


def _path(versions: Mapping[str, Manifest], version: str) -> Iterator[str]:
    """The version, its ancestors down to the nearest base, and that base."""
    while version in versions:
        yield version
        if version + BESIDE in versions:
            yield version + BESIDE
            return
        version = versions[version].parent


def _history(versions: Mapping[str, Manifest], bases: int, history_bytes: int) -> int:
    """The seq from which on everything is kept."""
    found = {m.seq: m.erasure_seq for m in versions.values() if m.kind == "base"}
    newest_first = sorted(found, reverse=True)
    since = newest_first[0] if newest_first else 0
    # What the second newest base knows to be erased must not come back from an older one.
    erased_in = found[newest_first[1]] if len(newest_first) > 1 else 0
    for seq in newest_first[:bases]:
        if seq < erased_in:
            break
        if sum(m.size for m in versions.values() if m.seq >= seq) > history_bytes:
            break
        since = seq
    return since


def bytes_since_base(versions: Mapping[str, Manifest], version: str) -> tuple[int, int]:
    """Bytes of the deltas from the nearest base up to `version`, and of that base (0, 0 without one)."""
    deltas = 0
    for id_ in _path(versions, version):
        base = versions.get(id_ + BESIDE, versions[id_])
        if base.kind == "base":
            return deltas, base.size
        deltas += base.size
    return 0, 0
