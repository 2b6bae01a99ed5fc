"""The id of a version in, the state it stands for out: the newest base below it and every delta since. Stage 5.

Loading walks around damage: to an older base with a longer chain, or back to the version before the damage. The log
names the versions that were passed over, and an empty model never takes the place of a damaged one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np

from models.arrays import Array
from models.ledger import RING, Arrivals, Erasures, Identities, order_time, without_erased
from models.looking import Look, unhurried
from models.snapshot import Damaged, Decoded, Manifest, decode, fill
from models.state import Schema, State
from streaming.ahead import ahead
from streaming.store import Store, VersionGone
from streaming.versions.delta_cache import DeltaCache, Step
from streaming.versions.retention import BESIDE

log = logging.getLogger(__name__)

MANIFESTS_TOGETHER: Final = 32
"""Manifests read in one round trip on the way back to a base; each is a few KiB."""

AHEAD: Final = 2
"""Reads of deltas made while another is decoded and applied: enough that the two threads do not wait for each other."""

READ_BYTES: Final = 4 << 20
"""Bytes of deltas read in one round trip, unless one alone has more. A service reads hundreds of deltas when it starts,
and each change between its threads may cost a wait for a processor."""

NOTHING_KNOWN: Final[Mapping[str, Manifest]] = MappingProxyType({})
"""Manifests of a caller that has read none."""


class NoSoundVersion(Exception):
    """There are versions and none can be loaded; an empty model must not take their place unasked.

    Attributes:
        damaged: What is wrong with each version, by id.
    """

    def __init__(self, wanted: str, damaged: Mapping[str, str]) -> None:
        reasons = "; ".join(f"{version}: {reason}" for version, reason in damaged.items()) or "nothing left of it"
        super().__init__(
            f"no sound version at or below {wanted} ({reasons}). "
            "Restore Redis from its backup, or use another namespace to learn from the beginning of the topic."
        )
        self.damaged = dict(damaged)


class NeedsBase(Exception):
    """The deltas between two versions are not all there (any more): load the version from a base."""


@dataclass
class Loaded:
    """A loaded version.

    Attributes:
        state: Its tables.
        manifest: Its manifest.
        skipped: What is wrong with each damaged version that was passed over, by id.
        arrivals: Its dedupe window; None when it has none, or when only the served tables were loaded.
        erasures: Users who were erased.
        identities: Ids that are joined with users; empty when only the served tables were loaded.
    """

    state: State
    manifest: Manifest
    skipped: dict[str, str] = field(default_factory=dict)
    arrivals: Arrivals | None = None
    erasures: Erasures = field(default_factory=Erasures)
    identities: Identities = field(default_factory=Identities)


def load(
    store: Store,
    which: str,
    schema: Schema,
    *,
    served_only: bool,
    ceilings: dict[str, int] | None = None,
    look: Look = unhurried,
) -> Loaded | None:
    """Load a version, or the newest sound one before it.

    Args:
        store: Where it is.
        which: "head", "serving" or the id of a version.
        schema: Schema that the version must fit.
        served_only: Load the tables that the service needs, and no others.
        ceilings: Ceilings of the key spaces, by space.
        look: Called after each slice of the work; what it raises gives the loading up.

    Returns:
        The version. None when the pointer was never set and, for "head", no version was ever written.

    Raises:
        NoSoundVersion: There are versions, and none can be loaded.
        TooNew, Incompatible: The version was written by another program.
        StoreUnavailable: Redis is away.
    """
    wanted = _wanted(store, which)
    if wanted is None:
        return None
    loader = _Loader(store, schema, served_only, ceilings, look)
    for candidate in _candidates(store, wanted):
        loaded = loader.load(candidate)
        if loaded is not None:
            for version, reason in loaded.skipped.items():
                log.error("version %s is damaged and was passed over: %s", version, reason)
            return loaded
    if _wanted(store, which) != wanted:
        # The pointer moved, and the version it named was collected while we read: that is no damage.
        return load(store, which, schema, served_only=served_only, ceilings=ceilings, look=look)
    raise NoSoundVersion(wanted, loader.damaged)


def advance(
    store: Store,
    state: State,
    from_id: str,
    to_id: str,
    *,
    served_only: bool,
    recent: DeltaCache | None = None,
    between: Look = unhurried,
) -> Manifest:
    """Apply the deltas after `from_id` up to `to_id` to a state that holds `from_id`.

    `from_id` may be a version that Redis has lost, if a delta replaces it.

    Every byte is fetched and checked before the first row changes.

    Args:
        store: Where the deltas are.
        state: Changed in place.
        from_id: Id of the version that the state holds.
        to_id: Id of the version that it will hold.
        served_only: Fetch the tables that the service needs, and no others.
        recent: Deltas that another state applied a moment ago; they are not fetched and decoded again.
        between: Called after each delta that was decoded or applied, except the last.

    Returns:
        The manifest of `to_id`.

    Raises:
        NeedsBase: The chain between the two is broken, gone, or begins with a base. The state is unchanged.
        StoreUnavailable: Redis is away. The state is unchanged.
    """
    if from_id == to_id:
        return store.manifest(to_id)
    known = recent if recent is not None else DeltaCache()
    try:
        chain: list[Step] = []
        manifests = _chain(store, from_id, to_id, known.manifests)
        read = _fetched(store, [each for each in manifests if known.get(each.id) is None], served_only)
        for manifest in manifests:
            if chain:
                between()
            step = known.get(manifest.id)
            chain.append(step or Step(manifest, decode(manifest, _sound(next(read)), state.schema)))
    except Damaged as error:
        raise NeedsBase(f"between {from_id} and {to_id}: {error.reason}") from error
    for number, step in enumerate(chain):
        if number:
            between()
        step.decoded.apply_to(state)
    known.keep(chain)
    return chain[-1].manifest


def _chain(store: Store, from_id: str, to_id: str, known: Mapping[str, Manifest]) -> list[Manifest]:
    chain: list[Manifest] = []
    for manifest in lineage(store, to_id, known):
        if manifest.kind == "base":
            break
        chain.append(manifest)
        if from_id == manifest.parent or from_id in manifest.replaces:
            return chain[::-1]
    raise NeedsBase(f"{to_id} does not extend {from_id} by deltas alone")


def lineage(store: Store, version: str, known: Mapping[str, Manifest] = NOTHING_KNOWN) -> Iterator[Manifest]:
    """The manifests of a version, its parent, its parent's parent, and so on through bases.

    Args:
        store: Where they are.
        version: Id of the first.
        known: Manifests that need not be read. The first that is missing is read alone: a service that follows the
            chain needs no more.

    Raises:
        Damaged: A manifest on the way is broken or gone.
    """
    found: dict[str, Manifest | Damaged] = dict(known)
    order: list[str] = []
    reads = 0
    wanted = version
    while wanted:
        if wanted not in found:
            if reads == 1:
                order = [pointer.id for pointer in store.versions()]
            found = {**known, **store.manifests([wanted, *_before(order, wanted)])}
            reads += 1
        manifest = found[wanted]
        if isinstance(manifest, Damaged):
            raise manifest
        yield manifest
        wanted = manifest.parent


def recent(store: Store) -> list[Manifest]:
    """The manifests of the newest base and of every version after it, oldest first; damaged ones are left out.

    Raises StoreUnavailable.
    """
    for base in reversed(store.bases()):
        first = store.manifests([base.id])[base.id]
        if isinstance(first, Damaged):
            continue
        later = [pointer.id for pointer in store.versions() if pointer.seq > base.seq]
        found = [first]
        for start in range(0, len(later), MANIFESTS_TOGETHER):
            read = store.manifests(later[start : start + MANIFESTS_TOGETHER]).values()
            found += [manifest for manifest in read if not isinstance(manifest, Damaged)]
        return found
    return []


def _before(order: Sequence[str], version: str) -> Sequence[str]:
    place = order.index(version) if version in order else 0
    return order[max(0, place - MANIFESTS_TOGETHER) : place]


def _wanted(store: Store, which: str) -> str | None:
    if which == "serving":
        pointer = store.serving()
        return pointer.id if pointer else None
    if which != "head":
        return which
    head = store.head()
    if head is not None:
        return head.id
    # Head may be lost while versions are not: then the newest of them is where we were.
    known = store.versions()
    return known[-1].id if known else None


def _candidates(store: Store, wanted: str) -> Iterator[str]:
    yield wanted
    order = [pointer.id for pointer in store.versions()]
    yield from reversed(order[: order.index(wanted)] if wanted in order else order)


class _Base(NamedTuple):
    """The tables of a base, what else it holds, and its manifest."""

    state: State
    besides: Decoded
    manifest: Manifest


class _Loader:
    """Tries one version after the other. Damaged parts are remembered and not fetched again."""

    def __init__(
        self, store: Store, schema: Schema, served_only: bool, ceilings: dict[str, int] | None, look: Look
    ) -> None:
        self._store, self._schema, self._served_only, self._ceilings = store, schema, served_only, ceilings
        self._look = look
        self.damaged: dict[str, str] = {}
        self._bases = {pointer.id for pointer in store.bases()}

    def load(self, version: str) -> Loaded | None:
        """Load a version, or the one before the first damage in its chain; None when no base below it is sound."""
        deltas: list[Manifest] = []
        try:
            for manifest in lineage(self._store, version):
                base = self._base(manifest)
                if base is not None:
                    return self._roll_forward(base, manifest, deltas[::-1])
                deltas.append(manifest)
        except Damaged as error:
            broken = deltas[-1].parent if deltas else version
            if not isinstance(error, VersionGone) or broken == version:
                self.damaged.setdefault(broken, error.reason)
        return None

    def _base(self, manifest: Manifest) -> _Base | None:
        beside = manifest.id + BESIDE
        if beside in self._bases:
            found = self._store.manifests([beside])[beside]
            if isinstance(found, Damaged):
                self.damaged[beside] = found.reason
            elif (base := self._filled(found)) is not None:
                return base
        return self._filled(manifest) if manifest.kind == "base" else None

    def _filled(self, manifest: Manifest) -> _Base | None:
        if manifest.id in self.damaged:
            return None
        state = State(self._schema, self._ceilings, served_only=self._served_only)
        try:
            chunks = self._store.each_chunk(manifest, self._served_only)
            return _Base(state, fill(state, manifest, chunks, self._look), manifest)
        except Damaged as error:
            self.damaged[manifest.id] = error.reason
            return None

    def _decoded(self, manifests: Sequence[Manifest]) -> Iterator[tuple[Manifest, Decoded]]:
        """What deltas hold, in their order, up to a damaged one."""
        sound = list(takewhile(lambda each: each.id not in self.damaged, manifests))
        for manifest, chunks in zip(sound, _fetched(self._store, sound, self._served_only, self._look), strict=True):
            try:
                decoded = decode(manifest, _sound(chunks), self._schema, look=self._look)
            except Damaged as error:
                self.damaged[manifest.id] = error.reason
                return
            yield manifest, decoded

    def _roll_forward(self, base: _Base, at: Manifest, deltas: Sequence[Manifest]) -> Loaded:
        state, first = base.state, base.besides
        windows = [(first.first_arrival, first.arrivals)]
        erased, reached = [base.manifest.erased], at
        joins = [first.joins]
        for delta, decoded in self._decoded(deltas):
            decoded.apply_to(state, self._look)
            windows.append((decoded.first_arrival, decoded.arrivals))
            erased.append(delta.erased)
            joins.append(decoded.joins)
            reached = delta
        for space in state.keys.values():
            space.forget_changes()
        arrivals = None if self._served_only else _joined(windows, reached.progress.arrivals)
        # An older program took an order's time as it was, also in the year 2099.
        moments = [(user, order_time(at, reached.created_at)) for each in erased for user, at in each]
        erasures = Erasures(moments, reached.progress.erasures)
        known = without_erased(joins, [{user for user, _ in each} for each in erased])
        identities = Identities(known, reached.progress.identities)
        return Loaded(state, reached, dict(self.damaged), arrivals, erasures, identities)


def _fetched(
    store: Store, manifests: Sequence[Manifest], served_only: bool, look: Look = unhurried
) -> Iterator[list[bytes] | Damaged]:
    """The chunks of each version, or why they cannot be used, read ahead of the caller."""
    calls = [partial(store.chunks_of, some, served_only, look) for some in _together(manifests, served_only)]
    return ahead(calls, AHEAD)


def _sound(chunks: list[bytes] | Damaged) -> list[bytes]:
    if isinstance(chunks, Damaged):
        raise chunks
    return chunks


def _together(manifests: Sequence[Manifest], served_only: bool) -> Iterator[list[Manifest]]:
    """Versions that are read in one round trip."""
    some: list[Manifest] = []
    size = 0
    for each in manifests:
        more = sum(chunk.size for chunk in each.chunks if chunk.served or not served_only)
        if some and size + more > READ_BYTES:
            yield some
            some, size = [], 0
        some.append(each)
        size += more
    if some:
        yield some


def _joined(windows: Sequence[tuple[int, dict[str, Array]]], stop: int) -> Arrivals | None:
    """The newest entries of windows that follow one another without a gap, up to position `stop`."""
    kept: list[dict[str, Array]] = []
    begin = stop
    for start, arrays in reversed(windows):
        length = len(next(iter(arrays.values()))) if arrays else 0
        if start + length != begin:
            break
        begin = start
        if length:
            kept.append(arrays)
    if not kept:
        return None
    names = ("event_hash", "user_hash", "time")
    event_hash, user_hash, time = (
        np.concatenate([arrays[name] for arrays in reversed(kept)])[-RING:] for name in names
    )
    return Arrivals(event_hash, user_hash, time, stop)
