"""In: the wish that a learner go on from another model. Out: that model, at its own offsets, exactly once. Stage 5.

State and offsets are a pair: whoever takes over a rebuilt model takes over its offsets with it, and learns what came
after them again. So nothing is skipped or counted twice, and the digest stays that of the log. The wish is kept in
Redis until a version that came of it is committed; every later version carries its name, so that it is carried out
once, however often a learner dies on the way.
"""

from __future__ import annotations

import logging
import threading
from typing import Final

import msgspec

from models.ledger import Progress
from models.snapshot import Damaged, Incompatible, TooNew
from models.state import SCHEMA
from streaming.live import Receipts
from streaming.store import Store, StoreUnavailable
from streaming.versions import loading as versions

log = logging.getLogger(__name__)

LOOK: Final = 1.0
"""Seconds between looks whether something is to be adopted."""

UNLINKED: Final = 64
"""Chunks unlinked in one round trip."""

PART: Final = "rebuild"
"""What the keys of a rebuilt model begin with, after those of the installation."""


class Adoption(msgspec.Struct, frozen=True):
    """Go on from `version`. `rebuilt`: it is one that was rebuilt, and not one of the chain.

    `offsets`: how far the log must have been read by whoever adopts it. A rebuild may be ahead of the live learner, but
    histories and receipts of erasures are written by that one, so it goes first.
    """

    id: str
    version: str
    rebuilt: bool
    offsets: dict[str, dict[int, int]] = {}

    def reached(self, progress: Progress) -> bool:
        """Whether the log has been read that far.

        >>> wish = Adoption("w", "1-1-ab", True, {"events": {0: 5}})
        >>> wish.reached(Progress(offsets={"events": {0: 5}})), wish.reached(Progress(offsets={"events": {1: 9}}))
        (True, False)
        """
        return all(
            progress.offsets.get(topic, {}).get(partition, 0) >= offset
            for topic, places in self.offsets.items()
            for partition, offset in places.items()
        )


class CannotAdopt(Exception):
    """The model cannot be taken over; why."""


def ask(store: Store, adoption: Adoption) -> None:
    """Have the learner adopt it: the one that runs, or the next. Raises StoreUnavailable."""
    store.call("SET", store.key("adopt"), msgspec.json.encode(adoption))


def asked(store: Store) -> Adoption | None:
    """What is to be adopted, None for nothing. Raises StoreUnavailable."""
    raw = store.call("GET", store.key("adopt"))
    return msgspec.json.decode(raw, type=Adoption) if raw else None


def withdraw(store: Store, adoption: Adoption) -> None:
    """It is done, or cannot be: another wish that came meanwhile stays. Raises StoreUnavailable."""
    if asked(store) == adoption:
        store.call("DEL", store.key("adopt"))


def fulfilled(store: Store, adoption: Adoption) -> bool:
    """Whether the newest version comes of it. Raises StoreUnavailable, Damaged."""
    pointer = store.head()
    return pointer is not None and store.manifest(pointer.id).progress.adopted == adoption.id


def discard(store: Store) -> None:
    """Unlink every version under a rebuilt store's keys; leases and epochs stay. Raises StoreUnavailable."""
    known = {pointer.id for pointer in (*store.versions(), *store.bases())}
    for version, manifest in store.manifests(sorted(known)).items():
        chunks = [] if isinstance(manifest, Damaged) else manifest.chunks
        keys = [store.key("meta", version), *(store.key("c", version, chunk.index) for chunk in chunks)]
        for start in range(0, len(keys), UNLINKED):
            store.call("UNLINK", *keys[start : start + UNLINKED])
    store.call("DEL", *(store.key(name) for name in ("head", "idx", "bases")))


def model_of(store: Store, adoption: Adoption, head: Progress, ceilings: dict[str, int]) -> versions.Loaded:
    """The model to adopt, its progress marked with the name of the wish. Raises CannotAdopt, StoreUnavailable.

    head: progress of the newest version, which must be of the same log.
    """
    source = store.under(PART) if adoption.rebuilt else store
    try:
        loaded = versions.load(source, adoption.version, SCHEMA, served_only=False, ceilings=ceilings)
    except (versions.NoSoundVersion, TooNew, Incompatible) as error:
        raise CannotAdopt(str(error)) from error
    if loaded is None or loaded.manifest.id != adoption.version:
        raise CannotAdopt(f"version {adoption.version} is damaged or gone")
    progress = loaded.manifest.progress
    both = head.topics.keys() & progress.topics.keys()
    if head.cluster and (progress.cluster != head.cluster or any(head.topics[t] != progress.topics[t] for t in both)):
        raise CannotAdopt("it was learnt from another log than the one that is learnt now")
    if adoption.rebuilt and _quarantines(progress) != _quarantines(head):
        raise CannotAdopt("a quarantine was ordered since it was rebuilt, which it has not heard of: rebuild again")
    progress.adopted = adoption.id
    if adoption.rebuilt:
        progress.rebuilt = adoption.id
    return loaded


def _quarantines(progress: Progress) -> list[tuple[str, str]]:
    return [(each.id, each.state) for each in progress.quarantines]


def due_model(store: Store, ceilings: dict[str, int]) -> versions.Loaded | None:
    """What a learner that starts must go on from instead of the newest version; None for that.

    A wish that cannot be fulfilled is withdrawn, and the log says why; one that must wait stays. Raises
    StoreUnavailable.
    """
    wish, pointer = asked(store), store.head()
    if wish is None:
        return None
    head = store.manifests([pointer.id])[pointer.id] if pointer is not None else None
    if isinstance(head, Damaged):
        return None
    progress = head.progress if head is not None else Progress()
    if progress.adopted == wish.id:
        withdraw(store, wish)
        return None
    if not wish.reached(progress):
        log.info("version %s is adopted once the log has been read as far as it was rebuilt", wish.version)
        return None
    try:
        loaded = model_of(store, wish, progress, ceilings)
    except CannotAdopt as error:
        log.error("version %s is not adopted: %s", wish.version, error)
        withdraw(store, wish)
        return None
    log.info("version %s is adopted: %d records consumed", wish.version, loaded.manifest.progress.consumed)
    if head is not None:
        Receipts(store, head)
    return loaded


class AdoptionWatch:
    """Looks beside the learner whether there is something to adopt. `due` is for the learner's thread."""

    def __init__(self, store: Store, adopted: str) -> None:
        self._store, self._adopted = store, adopted
        self._wanted: Adoption | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="adoption", daemon=True)
        self._thread.start()

    def due(self, progress: Progress) -> bool:
        """Whether there is something to adopt, and `progress` is as far as it must be for that."""
        wish = self._wanted
        return wish is not None and wish.reached(progress)

    def landed(self, progress: Progress) -> None:
        """A version with this progress is committed: a wish it came of is fulfilled. Raises StoreUnavailable."""
        found = asked(self._store)
        if found is not None and found.id == progress.adopted:
            withdraw(self._store, found)
            if found.rebuilt:
                discard(self._store.under(PART))
            log.info("adopted %s, learnt on from its offsets", found.version)

    def close(self, timeout: float = 2.0) -> None:
        """End the thread; one that still waits for Redis after `timeout` seconds is left behind, it only reads."""
        self._closing.set()
        self._thread.join(timeout)

    def _run(self) -> None:
        while not self._closing.wait(LOOK):
            try:
                found = asked(self._store)
            except StoreUnavailable:
                continue  # whoever writes versions says so
            self._wanted = found if found is not None and found.id != self._adopted else None


__all__ = [
    "Adoption",
    "AdoptionWatch",
    "CannotAdopt",
    "ask",
    "asked",
    "discard",
    "due_model",
    "fulfilled",
    "model_of",
    "withdraw",
]
