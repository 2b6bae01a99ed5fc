"""The time until a process can answer: it loads as fast as it can, because nobody waits for its answers yet."""

from __future__ import annotations

import gc
from typing import Final

from streaming.thread_turns import take_brief_turns, take_long_turns

RARELY: Final = (100_000, 50, 100)
"""When Python looks for cycles meanwhile (see `gc.set_threshold`). What is loaded stays: with the default, its million
objects would be walked again each time that they have grown by a quarter."""


class Loading:
    """Begins with the process and ends when requests may come."""

    def __init__(self) -> None:
        self._usually = gc.get_threshold()

    def begin(self) -> None:
        """Let threads take long turns, and the collector rest."""
        take_long_turns()
        gc.set_threshold(*RARELY)

    def end(self) -> None:
        """From now on requests wait for no thread that loads. What is loaded stays, and is not walked again."""
        gc.freeze()
        gc.set_threshold(*self._usually)
        take_brief_turns()


__all__ = ["Loading"]
