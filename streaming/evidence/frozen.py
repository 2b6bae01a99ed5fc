"""Keeps the versions that Redis's pointers name as frozen tables, to compare the learner's model with. Stage 6.

One background thread looks four times a second. A version that is no longer named is brought forward by deltas to
become the next one, so that few versions are held and no base is read where deltas are enough. Evidence must have no
gap: before the first version is served the newest one is loaded already, and the reference before stays at hand until
the next one is, and for a while after.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Final, NamedTuple

from models.recommender import FrozenModel
from models.referee import NOBODY, TURN, AnchorTurns, Awaited
from models.snapshot import Damaged, Incompatible, TooNew
from models.state import Schema, State
from streaming import versions
from streaming.store import Pointer, Store, StoreUnavailable, anchors_of

log = logging.getLogger(__name__)

LOOK: Final = 0.25
"""Seconds between looks at the pointers, one short command each. A reference is not compared with until it is seen."""

STANDS: Final = 2.0
"""Seconds a version must have been served before it is compared as the champion. A champion that changes each second is
the learner's model, seen a second late, and comparing the two shows nothing."""

AGAIN: Final = 30.0
"""Seconds until a version that could not be loaded is tried again."""

BEHIND: Final = 30.0
"""Seconds for which the tables that wait for the first served version stay as they are. That version was the newest one
some seconds ago, and tables that are newer than it cannot be brought to it."""

KEPT: Final = 30.0
"""Seconds for which the reference before is still compared with: a shop with four tested events a second gets the
hundred that tell how a version does against the new one."""

HOP: Final = 16
"""Deltas applied at once: those that are decoded together stay within some tens of MiB."""

MOVED_ON: Final = 0.02
"""Seconds between two looks whether the learner has released a version."""


class Compared(NamedTuple):
    """The versions to compare with: reference, champion, and the anchor whose turn it is, of all `anchors`.

    `paused` says why one that should be there is missing. `awaited` has those that are named and not at hand yet; None
    until the pointers were read. `former` is the reference before, until a while after the new one is at hand.
    """

    reference: FrozenModel | None = None
    champion: FrozenModel | None = None
    paused: str = ""
    awaited: Awaited | None = NOBODY
    former: FrozenModel | None = None
    anchor: FrozenModel | None = None
    anchors: tuple[str, ...] = ()


class FrozenVersions:
    """The versions to compare with. `current` is for the learner's thread; the rest runs on a thread of its own.

    Args:
        store: Where pointers and versions are.
        schema: Schema of the versions.
        ceilings: Ceilings of the key spaces, by space.
        most_bytes: Bytes that the tables of all versions may take.
        clock: Monotonic seconds.
        turn: Seconds for which one anchor is compared with before the next, at least.
    """

    def __init__(
        self,
        store: Store,
        schema: Schema,
        ceilings: dict[str, int],
        most_bytes: int,
        clock: Callable[[], float] = time.monotonic,
        turn: float = TURN,
    ) -> None:
        self._store, self._schema, self._ceilings, self._most_bytes = store, schema, ceilings, most_bytes
        self._clock = clock
        self._compared, self._seen = Compared(paused="the pointers are not read yet", awaited=None), Compared()
        self._awaited = NOBODY
        self._anchors: tuple[str, ...] = ()
        self._turns = AnchorTurns(clock, turn)
        self._held: dict[str, FrozenModel] = {}
        self.held_bytes = 0
        """Bytes of the tables of all versions at hand, as allocated. Copies come and go as the gate decides."""
        self._refused: dict[str, tuple[float, str]] = {}
        self._serving, self._served_since = "", 0.0
        self._former: FrozenModel | None = None
        self._reached_at = self._ahead_at = -BEHIND
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="frozen versions", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self, timeout: float = 2.0) -> None:
        """End the thread. A load that is still under way after `timeout` seconds is abandoned; it only reads."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def current(self) -> Compared:
        """The versions to compare with from now on. The tables that an earlier call returned may change afterwards."""
        compared = self._compared
        self._seen = compared
        return compared

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self.look()
            except StoreUnavailable as error:
                self._compared = self._compared._replace(paused=f"Redis: {error}")
            except Exception:
                # The learner goes on without evidence; the gate's continuous mode then relies on its guards alone.
                log.exception("versions to compare with cannot be followed")
                self._compared = Compared(paused="an error, see the learner's log", anchors=self._anchors)
            self._closing.wait(LOOK)

    def look(self) -> None:
        """Load what the pointers name now, and release the rest. Raises StoreUnavailable."""
        self._follow()
        self.held_bytes = self._bytes()

    def _follow(self) -> None:
        pointers = self._store.pointers()
        reference, serving = pointers.get("reference"), pointers.get("serving")
        champion = self._standing_champion(serving)
        self._awaited = Awaited(*(pointer.id if pointer is not None else "" for pointer in (reference, serving)))
        self._anchors = tuple(dict.fromkeys(each.id for each in anchors_of(pointers)))
        first = {pointer.id for pointer in (reference, champion) if pointer is not None}
        anchor = self._turns.whose([each for each in self._anchors if not self._refusal(each)])
        named = first | ({anchor} if anchor else set())
        if not named:
            self._get_ahead(pointers.get("head"))
            self._publish(reference, champion, "", "no version is served yet")
            return
        self._succeed(reference, named)
        self._publish(reference, champion, anchor)
        why = ""
        for version in sorted(first - self._held.keys()):
            why = self._bring(version, named, first) or why
            self._publish(reference, champion, anchor)
        if anchor and anchor not in self._held:
            started = self._clock()
            self._bring(anchor, named, named)
            self._turns.loaded(self._clock() - started)
        for unneeded in self._held.keys() - named:
            del self._held[unneeded]
        self._refused = {version: self._refused[version] for version in self._refused if self._refusal(version)}
        self._publish(reference, champion, anchor, why)

    def _get_ahead(self, head: Pointer | None) -> None:
        """Load the newest version before any is served, so that the first one that is will be at hand at once."""
        now = self._clock()
        if head is None or head.id in self._held or now - self._ahead_at < BEHIND:
            return
        self._ahead_at = now
        self._bring(head.id, {head.id}, {head.id})

    def _succeed(self, reference: Pointer | None, named: set[str]) -> None:
        """Keep the reference that another version takes the place of, until a while after that one is at hand."""
        before, now = self._compared.reference, self._clock()
        if reference is None:
            self._former = None
        elif before is not None and before.version != reference.id:
            self._former, self._reached_at = before, now
            if before.version not in named:
                self._held.pop(before.version, None)
        elif before is None:
            self._reached_at = now
        elif now - self._reached_at > KEPT:
            self._former = None

    def _publish(self, reference: Pointer | None, champion: Pointer | None, anchor: str, paused: str = "") -> None:
        one, other = (self._held.get(pointer.id) if pointer is not None else None for pointer in (reference, champion))
        third = self._held.get(anchor)
        self._compared = Compared(one, other, paused, self._still_awaited(), self._former, third, self._anchors)

    def _still_awaited(self) -> Awaited:
        """The named versions, without those that cannot be loaded: sums that nothing adds to would grow stale."""
        return Awaited(*("" if self._refusal(version) else version for version in self._awaited))

    def _refusal(self, version: str) -> str:
        """Why a version cannot be loaded and is not tried at the moment, "" otherwise."""
        since, why = self._refused.get(version, (-AGAIN, ""))
        return why if self._clock() - since < AGAIN else ""

    def _standing_champion(self, serving: Pointer | None) -> Pointer | None:
        now = self._clock()
        if serving is None:
            return None
        if serving.id != self._serving:
            self._serving, self._served_since = serving.id, now
        return serving if now - self._served_since >= STANDS else None

    def _bring(self, version: str, named: set[str], needed: set[str]) -> str:
        """Load `version`; why that failed, or "". Versions that are not `needed` as much make room for it."""
        if why := self._refusal(version):
            return why
        try:
            found = self._reached(version, named) or self._loaded(version)
            for other in sorted(self._held.keys() - needed):
                if self._bytes(found) > self._most_bytes:
                    self._release(other)
            if self._bytes(found) > self._most_bytes:
                self._former = None
            if (size := self._bytes(found)) > self._most_bytes:
                raise Damaged(f"its tables would take {size >> 20} MiB, learner.evidence_bytes is less")
        except (Damaged, versions.NoSoundVersion, TooNew, Incompatible) as error:
            self._refused[version] = self._clock(), f"version {version}: {error}"
            log.warning("version %s is not compared with: %s", version, error)
            return self._refused[version][1]
        self._held[version] = found
        return ""

    def _bytes(self, *more: FrozenModel) -> int:
        """Bytes of all tables that are held, with those of `more`, which may be copies of them."""
        former = self._former
        apart = [former] if former is not None and all(each is not former for each in self._held.values()) else []
        return sum(each.state.nbytes() for each in (*self._held.values(), *apart, *more))

    def _release(self, version: str) -> None:
        """Drop a version that takes the room of one that is needed more, and do not load it again for a while."""
        del self._held[version]
        self._refused[version] = self._clock(), f"version {version}: its room was needed"

    def _reached(self, version: str, named: set[str]) -> FrozenModel | None:
        """Tables that are no longer named, or those of the reference before, as `version`; None when none get there."""
        for held in sorted(self._held.keys() - named):
            found = self._forward(self._held.pop(held), version)
            if found is not None:
                return found
        former = self._former
        if former is None:
            return None
        if self._bytes(former) <= self._most_bytes:
            return self._forward(former, version, copy=True)
        self._former = None
        return self._forward(former, version)

    def _forward(self, spare: FrozenModel, version: str, *, copy: bool = False) -> FrozenModel | None:
        """The tables of `spare` as `version`; None when a base lies between, or the learner still uses them.

        Args:
            spare: A version before it.
            version: Id of the version.
            copy: Leave the tables of `spare` as they are.
        """
        try:
            hops = self._hops(spare.version, version)
            if not copy and not self._let_go(spare):
                return None
            tables = self._copied(spare.state) if copy else spare.state
            for before, after in pairwise(hops):
                versions.advance(self._store, tables, before, after, served_only=True)
        except (versions.NeedsBase, Damaged):
            return None
        return FrozenModel(version, tables)

    def _copied(self, state: State) -> State:
        tables = State(self._schema, self._ceilings, served_only=True)
        tables.apply(state.full())
        return tables

    def _hops(self, start: str, end: str) -> list[str]:
        chain = []
        for manifest in versions.lineage(self._store, end):
            chain.append(manifest.id)
            if manifest.id == start:
                return [*chain[::-1][:-1:HOP], end]
            if manifest.kind == "base":
                break
        raise versions.NeedsBase(f"{end} does not extend {start} by deltas alone")

    def _let_go(self, spare: FrozenModel) -> bool:
        """Wait until the learner was given other versions; False when the process ends first."""
        if self._former is spare:
            self._former = None
        now = self._compared
        reference, champion, anchor = (
            None if each is spare else each for each in (now.reference, now.champion, now.anchor)
        )
        self._compared = Compared(reference, champion, "", self._still_awaited(), self._former, anchor, self._anchors)
        while any(each is spare for each in self._seen):
            if self._closing.wait(MOVED_ON):
                return False
        return True

    def _loaded(self, version: str) -> FrozenModel:
        loaded = versions.load(self._store, version, self._schema, served_only=True, ceilings=self._ceilings)
        if loaded is None or loaded.manifest.id != version:
            raise Damaged("; ".join(loaded.skipped.values()) if loaded is not None else "gone")
        return FrozenModel(version, loaded.state)


__all__ = ["Compared", "FrozenVersions"]
