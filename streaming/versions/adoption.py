"""Lets a learner go on from another model, at that model's own offsets, exactly once. Stage 5.

State and offsets are a pair: a learner that adopts a rebuilt model adopts its offsets too, and learns the records after
them again. So nothing is skipped or counted twice, and the digest stays that of the log. The wish to adopt a model is
kept in Redis until a version that came of it is committed. Every later version carries the wish's id, so it is carried
out once, however often a learner dies on the way.
"""

from __future__ import annotations

import logging
import threading
from typing import Final

import msgspec

from models.ledger import Progress
from models.looking import Look, unhurried
from models.snapshot import Damaged, Incompatible, TooNew
from models.state import SCHEMA
from models.structs import Prepared
from streaming.live import Receipts
from streaming.store import Store, StoreUnavailable
from streaming.versions import loading as versions

log = logging.getLogger(__name__)

LOOK: Final = 1.0
"""Seconds between looks for a wish."""

UNLINKED: Final = 64
"""Chunks unlinked in one round trip."""

PART: Final = "rebuild"
"""Prefix of the keys of a rebuilt model, after the prefix of the installation."""


class Adoption(msgspec.Struct, metaclass=Prepared, frozen=True):
    """The wish that a learner go on from another model.

    Attributes:
        id: Name of the wish.
        version: Id of the version to go on from.
        rebuilt: Whether that version is a rebuild's, and not one of the live chain.
        offsets: How far the learner must have read the log before it adopts the model. A rebuild may be ahead of the
            live learner, but the live learner writes histories and receipts of erasures, so it goes first.
    """

    id: str
    version: str
    rebuilt: bool
    offsets: dict[str, dict[int, int]] = {}

    def reached(self, progress: Progress) -> bool:
        """Whether the log was read as far as `offsets`.

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
    """The model cannot be adopted. The message says why."""


def ask(store: Store, adoption: Adoption) -> None:
    """Ask the learner that runs, or the next one, to adopt a model. Raises StoreUnavailable."""
    store.call("SET", store.key("adopt"), msgspec.json.encode(adoption))


def asked(store: Store) -> Adoption | None:
    """The wish in Redis, None when there is none. Raises StoreUnavailable."""
    raw = store.call("GET", store.key("adopt"))
    return msgspec.json.decode(raw, type=Adoption) if raw else None


def withdraw(store: Store, adoption: Adoption) -> None:
    """Remove a wish that is done or cannot be done; a newer wish stays. Raises StoreUnavailable."""
    if asked(store) == adoption:
        store.call("DEL", store.key("adopt"))


def fulfilled(store: Store, adoption: Adoption) -> bool:
    """Whether the newest version came of this wish. Raises StoreUnavailable, Damaged."""
    pointer = store.head()
    return pointer is not None and store.manifest(pointer.id).progress.adopted == adoption.id


def discard(store: Store) -> None:
    """Unlink every version below a store's keys; leases and epochs stay. Raises StoreUnavailable."""
    known = {pointer.id for pointer in (*store.versions(), *store.bases())}
    for version, manifest in store.manifests(sorted(known)).items():
        chunks = [] if isinstance(manifest, Damaged) else manifest.chunks
        keys = [store.key("meta", version), *(store.key("c", version, chunk.index) for chunk in chunks)]
        for start in range(0, len(keys), UNLINKED):
            store.call("UNLINK", *keys[start : start + UNLINKED])
    store.call("DEL", *(store.key(name) for name in ("head", "idx", "bases")))


def model_of(
    store: Store, adoption: Adoption, head: Progress, ceilings: dict[str, int], look: Look = unhurried
) -> versions.Loaded:
    """Load the model to adopt, its progress marked with the id of the wish.

    Args:
        store: The live chain; a rebuilt model is below it.
        adoption: The wish.
        head: Progress of the newest version, which must be of the same log.
        ceilings: Ceilings of the key spaces, by space.
        look: Called after each slice.

    Raises:
        CannotAdopt: The version is damaged, gone, or of another log.
        StoreUnavailable: Redis is away.
    """
    source = store.under(PART) if adoption.rebuilt else store
    try:
        loaded = versions.load(source, adoption.version, SCHEMA, served_only=False, ceilings=ceilings, look=look)
    except (versions.NoSoundVersion, TooNew, Incompatible) as error:
        raise CannotAdopt(str(error)) from error
    if loaded is None or loaded.manifest.id != adoption.version:
        raise CannotAdopt(f"version {adoption.version} is damaged or gone")
    progress = loaded.manifest.progress
    both = head.topics.keys() & progress.topics.keys()
    if head.cluster and (progress.cluster != head.cluster or any(head.topics[t] != progress.topics[t] for t in both)):
        raise CannotAdopt("it was learned from another log than the live model")
    if adoption.rebuilt and _quarantines(progress) != _quarantines(head):
        raise CannotAdopt("a quarantine was ordered after it was rebuilt, so it does not honor it: rebuild again")
    progress.adopted = adoption.id
    if adoption.rebuilt:
        progress.rebuilt = adoption.id
    return loaded


def _quarantines(progress: Progress) -> list[tuple[str, str]]:
    return [(each.id, each.state) for each in progress.quarantines]


def due_model(store: Store, ceilings: dict[str, int], look: Look = unhurried) -> versions.Loaded | None:
    """The model that a starting learner must adopt; None when it goes on from the newest version.

    A wish that cannot be fulfilled is withdrawn, and the log says why; a wish that must wait stays. Raises
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
        log.info("version %s will be adopted when the log has been read as far as its rebuild read it", wish.version)
        return None
    try:
        loaded = model_of(store, wish, progress, ceilings, look)
    except CannotAdopt as error:
        log.error("version %s is not adopted: %s", wish.version, error)
        withdraw(store, wish)
        return None
    log.info("version %s is adopted: %d records consumed", wish.version, loaded.manifest.progress.consumed)
    if head is not None:
        Receipts(store, head)
    return loaded


class AdoptionWatch:
    """Looks for a wish on a thread of its own. `due` is for the learner's thread.

    Args:
        store: The live chain.
        adopted: Id of the last wish that this model came of.
    """

    def __init__(self, store: Store, adopted: str) -> None:
        self._store, self._adopted = store, adopted
        self._wanted: Adoption | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="adoption", daemon=True)
        self._thread.start()

    def due(self, progress: Progress) -> bool:
        """Whether there is a model to adopt, and `progress` is as far as that needs."""
        wish = self._wanted
        return wish is not None and wish.reached(progress)

    def landed(self, progress: Progress) -> None:
        """Withdraw the wish that a committed version came of; `progress` is the version's. Raises StoreUnavailable."""
        found = asked(self._store)
        if found is not None and found.id == progress.adopted:
            withdraw(self._store, found)
            if found.rebuilt:
                discard(self._store.under(PART))
            log.info("adopted %s, learning goes on from its offsets", found.version)

    def close(self, timeout: float = 2.0) -> None:
        """End the thread. If it still waits for Redis after `timeout` seconds it is abandoned; it only reads."""
        self._closing.set()
        self._thread.join(timeout)

    def _run(self) -> None:
        while not self._closing.wait(LOOK):
            try:
                found = asked(self._store)
            except StoreUnavailable:
                continue  # the thread that writes versions logs it
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
