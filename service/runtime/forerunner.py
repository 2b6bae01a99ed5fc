"""Settings in, the tables of the served version out, loaded while this process imports what answers over HTTP.

To import a web framework takes a second in which the processor's other cores have nothing to do; to load a version is
mostly work outside the interpreter. What was loaded here counts only once the gatekeeper asks for it: it reads the
pointers itself, and brings these tables to the version that they name by then.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

from streaming.settings import Settings

if TYPE_CHECKING:
    from models.snapshot import Manifest
    from models.state import State
    from streaming.store import Store


class Loaded(NamedTuple):
    """Tables of a version, and its manifest."""

    state: State
    manifest: Manifest


class Forerunner:
    """Loads in a thread of its own; `served` and `reference` wait for it. What it could not load, others load."""

    def __init__(self, settings: Settings) -> None:
        """`start` begins to load."""
        self._settings = settings
        self._served: Loaded | None = None
        self._reference: Loaded | None = None
        self._thread = threading.Thread(target=self._run, name="forerunner", daemon=True)

    def start(self) -> None:
        """Start the thread; it begins with imports of its own."""
        self._thread.start()

    def served(self) -> Loaded | None:
        """The version that was served when this began, once; None where there was none or it could not be loaded."""
        self._thread.join()
        found, self._served = self._served, None
        return found

    def reference(self) -> Loaded | None:
        """The reference of that time, once."""
        self._thread.join()
        found, self._reference = self._reference, None
        return found

    def _run(self) -> None:
        from models.snapshot import Damaged, Incompatible, TooNew
        from models.warmup import SERVING, compiled, warm_serving
        from streaming.store import Store, StoreUnavailable
        from streaming.versions import NeedsBase, NoSoundVersion

        if not compiled(SERVING):  # the gatekeeper has them compiled in a process of their own, and says so
            return
        warm_serving()
        try:
            store = Store.for_service(self._settings)
        except OSError:  # a file that cannot be used: whoever connects next refuses to start, with the reason
            return
        try:
            self._load(store)
        except (StoreUnavailable, Damaged, NoSoundVersion, TooNew, Incompatible, NeedsBase):
            # The gatekeeper meets the same, says so, and tries again or serves an older version.
            self._served = None
        finally:
            store.close()

    def _load(self, store: Store) -> None:
        from models.state import SCHEMA, duplicate
        from streaming.versions import advance, load

        pointers = store.pointers()
        serving, reference = pointers.get("serving"), pointers.get("reference")
        if serving is None:
            return
        if reference is None or reference.seq >= serving.seq:
            found = load(store, serving.id, SCHEMA, served_only=True)
            if found is not None and found.manifest.id == serving.id:
                self._served = Loaded(found.state, found.manifest)
            return
        first = load(store, reference.id, SCHEMA, served_only=True)
        if first is None or first.manifest.id != reference.id:
            return
        self._reference = Loaded(first.state, first.manifest)
        state = duplicate(first.state)
        self._served = Loaded(state, advance(store, state, reference.id, serving.id, served_only=True))


__all__ = ["Forerunner", "Loaded"]
