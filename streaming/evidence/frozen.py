"""Keeps the versions that Redis's pointers name as frozen tables, to compare the learner's model with. Stage 6.

One background thread looks once a second. A version that is no longer named is brought forward by deltas to become the
next one, so that few versions are held and no base is read where deltas are enough.
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
from models.state import Schema
from streaming import versions
from streaming.store import Pointer, Store, StoreUnavailable, anchors_of

log = logging.getLogger(__name__)

LOOK: Final = 1.0
"""Seconds between looks at the pointers."""

STANDS: Final = 2.0
"""Seconds a version must have been served before it is compared as the champion. A champion that changes each second is
the learner's model, seen a second late, and comparing the two shows nothing."""

AGAIN: Final = 30.0
"""Seconds until a version that could not be loaded is tried again."""

HOP: Final = 16
"""Deltas applied at once: those that are decoded together stay within some tens of MiB."""

MOVED_ON: Final = 0.02
"""Seconds between two looks whether the learner has released a version."""


class Compared(NamedTuple):
    """The versions to compare with: reference, champion, and the anchor whose turn it is, of all `anchors`.

    `paused` says why one that should be there is missing. `awaited` has those that are named and not at hand yet; None
    until the pointers were read.
    """

    reference: FrozenModel | None = None
    champion: FrozenModel | None = None
    paused: str = ""
    awaited: Awaited | None = NOBODY
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
        self._refused: dict[str, tuple[float, str]] = {}
        self._serving, self._served_since = "", 0.0
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
        pointers = self._store.pointers()
        reference, serving = pointers.get("reference"), pointers.get("serving")
        champion = self._standing_champion(serving)
        self._awaited = Awaited(*(pointer.id if pointer is not None else "" for pointer in (reference, serving)))
        self._anchors = tuple(dict.fromkeys(each.id for each in anchors_of(pointers)))
        first = {pointer.id for pointer in (reference, champion) if pointer is not None}
        anchor = self._turns.whose([each for each in self._anchors if not self._refusal(each)])
        named = first | ({anchor} if anchor else set())
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
        self._publish(reference, champion, anchor, why or ("" if named else "no version is served yet"))

    def _publish(self, reference: Pointer | None, champion: Pointer | None, anchor: str, paused: str = "") -> None:
        one, other = (self._held.get(pointer.id) if pointer is not None else None for pointer in (reference, champion))
        third = self._held.get(anchor)
        self._compared = Compared(one, other, paused, self._still_awaited(), third, self._anchors)

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
            found = self._from_spare(version, named) or self._loaded(version)
            size = self._size(found)
            if size > self._most_bytes:
                for other in self._held.keys() - needed:
                    self._release(other)
                size = self._size(found)
            if size > self._most_bytes:
                raise Damaged(f"its tables would take {size >> 20} MiB, learner.evidence_bytes is less")
        except (Damaged, versions.NoSoundVersion, TooNew, Incompatible) as error:
            self._refused[version] = self._clock(), f"version {version}: {error}"
            log.warning("version %s is not compared with: %s", version, error)
            return self._refused[version][1]
        self._held[version] = found
        return ""

    def _from_spare(self, version: str, named: set[str]) -> FrozenModel | None:
        """The tables of a version that is no longer named, brought forward; None when deltas reach from none."""
        for held in self._held.keys() - named:
            found = self._forward(self._held.pop(held), version)
            if found is not None:
                return found
        return None

    def _size(self, found: FrozenModel) -> int:
        """Bytes of the tables that are held, and of those that were just loaded."""
        return found.state.nbytes() + sum(held.state.nbytes() for held in self._held.values())

    def _release(self, version: str) -> None:
        """Drop a version that takes the room of one that is needed more, and do not load it again for a while."""
        del self._held[version]
        self._refused[version] = self._clock(), f"version {version}: its room was needed"

    def _forward(self, spare: FrozenModel, version: str) -> FrozenModel | None:
        """The tables of `spare` as `version`; None when a base lies between, or the learner still uses them."""
        try:
            hops = self._hops(spare.version, version)
            if not self._let_go(spare):
                return None
            for before, after in pairwise(hops):
                versions.advance(self._store, spare.state, before, after, served_only=True)
        except (versions.NeedsBase, Damaged):
            return None
        return FrozenModel(version, spare.state)

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
        reference, champion, anchor = self._compared.reference, self._compared.champion, self._compared.anchor
        self._compared = Compared(
            None if reference is spare else reference,
            None if champion is spare else champion,
            awaited=self._still_awaited(),
            anchor=None if anchor is spare else anchor,
            anchors=self._anchors,
        )
        while any(each is spare for each in (self._seen.reference, self._seen.champion, self._seen.anchor)):
            if self._closing.wait(MOVED_ON):
                return False
        return True

    def _loaded(self, version: str) -> FrozenModel:
        loaded = versions.load(self._store, version, self._schema, served_only=True, ceilings=self._ceilings)
        if loaded is None or loaded.manifest.id != version:
            raise Damaged("; ".join(loaded.skipped.values()) if loaded is not None else "gone")
        return FrozenModel(version, loaded.state)


__all__ = ["Compared", "FrozenVersions"]
