"""Cancels a background task and waits, for a bounded time, until it has really ended."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

from service.runtime import logs

PATIENCE: Final = 1.0
"""Seconds a task has to end."""
AGAIN: Final = 0.05
"""Seconds after which a task that is still running is cancelled again."""


async def cancel_and_wait(task: asyncio.Task[Any] | None, patience: float = PATIENCE) -> bool:
    """Cancel a task until it has ended.

    Once is not enough. A cancellation that meets a call at the moment of its answer may be lost: `asyncio.wait_for`
    returns the answer instead (https://github.com/python/cpython/issues/86296, until Python 3.12), and redis-py sends
    each command through it. Nothing is raised for a task that failed; asyncio reports an exception that nobody read.

    Args:
        task: The task; None counts as ended.
        patience: Seconds it has to end.

    Returns:
        False when the task has not ended in time. It is left behind, and the log says so.
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
