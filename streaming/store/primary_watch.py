"""Asks the sentinels which server is the primary, and has this process leave another one at once. Stage 5.

A primary that hands over lives on, and takes writes until a sentinel has made it a replica, ten seconds later: all of
them are lost. Its clients have no error that tells them so. Each process therefore asks once a second.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable
from typing import Any, Final

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 1.0
SETTLING_LOOKS: Final = 3
"""Looks after a change in which connections are made once more: the sentinels hear of it one after the other, and a
client may have asked one that still named the former primary."""


class PrimaryWatch:
    """One thread for all clients that ask the same sentinels; it ends when the last of them is gone.

    Args:
        ask: Returns host and port of the primary, from the first sentinel that answers; None when none does.
        moved: Called when that is another one than before.
    """

    def __init__(self, ask: Callable[[], tuple[str, int] | None], moved: Callable[[], None]) -> None:
        self._ask, self._moved = ask, moved
        self._clients: weakref.WeakSet[Any] = weakref.WeakSet()
        self._known: tuple[str, int] | None = None
        self._settling = 0
        self._pause = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def add(self, client: Any) -> None:
        """Watch for one more client."""
        with self._lock:
            self._clients.add(client)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="primary", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            self._pause.wait(LOOK_SECONDS)  # nobody sets it: a pause
            with self._lock:
                if not self._clients:
                    self._thread = None
                    return
            self.look()

    def look(self) -> None:
        """Ask once. Sentinels that do not answer change nothing: the clients themselves say so when they connect."""
        found = self._ask()
        if found is None:
            return
        if self._known is not None and found != self._known:
            log.warning("the sentinels name another primary: %s:%s", *found)
            self._settling = 1 + SETTLING_LOOKS
        self._known = found
        if self._settling:
            self._settling -= 1
            self._moved()


__all__ = ["PrimaryWatch"]
