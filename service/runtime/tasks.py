"""In: a task that goes round for ever. Out: it has ended, within a bound, whatever it waits for."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

from service.runtime import logs

PATIENCE: Final = 1.0
"""Seconds that a task has to end."""
AGAIN: Final = 0.05
"""Seconds after which a task that goes on is cancelled once more."""


async def cancel_and_wait(task: asyncio.Task[Any] | None, patience: float = PATIENCE) -> bool:
    """Cancel a task until it has ended. False when it has not after `patience` seconds: it is left behind, and logged.

    Once is not enough. A cancellation that meets a call at the moment of its answer may be lost: `asyncio.wait_for`
    returns the answer instead (https://github.com/python/cpython/issues/86296, until Python 3.12), and redis-py sends
    each command through it. Nothing is raised for a task that failed; asyncio reports what nobody asked for.
    """
    if task is None:
        return True
    limit = time.monotonic() + patience
    while not task.done() and (left := limit - time.monotonic()) > 0:
        task.cancel()
        await asyncio.wait((task,), timeout=min(AGAIN, left))
    if not task.done():
        logs.warn("a task did not end", task=task.get_name(), detail=f"within {patience:g} s")
    return task.done()


__all__ = ["cancel_and_wait"]
