"""Prepared batches in; the same batches in the same order out, once their histories are in Redis. Stage 1, second half.

This runs on a thread of its own, so that reading and decoding go on while Redis answers. A batch is never handed on
before its histories were written, or were left waiting in the live writer because Redis is away.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable

from streaming.intake.intake import PreparedBatch
from streaming.live import LiveWriter

AHEAD = 1
"""Batches that may be decoded before the one that is being written is in Redis."""

IDLE = 0.05
"""Seconds without a batch after which the live writer tries again to write what waits for Redis."""

PAUSE = 0.1
"""Seconds between attempts while so much waits for Redis that nothing more may be read."""

ARRIVAL_SAMPLES = 16
"""Records of a batch whose way to the history is timed: a histogram needs no more, and each costs 1 µs."""

Passed = PreparedBatch | BaseException | None
"""A batch; or the error that ended the intake, None when it was asked to stop."""


class HistoryStage:
    """Writes the histories of each batch, then hands the batch over, until the intake or the term is over.

    Args:
        live_writer: Writes to Redis.
        hand_over: Takes each batch, and last what ended the intake.
        over: Set when the term is over.
        stopping: Whether the process is to end. Batches that Redis has no room for are given up then.
    """

    def __init__(
        self,
        live_writer: LiveWriter,
        hand_over: Callable[[Passed], None],
        over: threading.Event,
        stopping: Callable[[], bool],
    ) -> None:
        self._live_writer, self._hand_over, self._over, self._stopping = live_writer, hand_over, over, stopping
        self._waiting: queue.Queue[Passed] = queue.Queue(AHEAD)
        self._given_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="histories", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def join(self, timeout: float) -> None:
        """Wait for the thread to end, at most `timeout` seconds."""
        self._thread.join(timeout)

    def put(self, batch: Passed) -> None:
        """Hand in the next batch once there is room. When the stage has ended, the batch is dropped."""
        while not self._over.is_set() and not self._given_up.is_set():
            with contextlib.suppress(queue.Full):
                self._waiting.put(batch, timeout=PAUSE)
                return

    def _run(self) -> None:
        last: Passed = None
        try:
            last = self._write_all()
        except BaseException as error:
            last = error
        self._given_up.set()
        self._hand_over(last)

    def _write_all(self) -> Passed:
        """Write until the intake has ended; the last thing it handed in."""
        while not self._over.is_set():
            try:
                batch = self._waiting.get(timeout=IDLE)
            except queue.Empty:
                self._live_writer.flush()
                continue
            if not isinstance(batch, PreparedBatch):
                return batch
            if not self._room():
                return None
            samples = batch.sampled_times(ARRIVAL_SAMPLES)
            batch.live_number = self._live_writer.add(batch.histories, batch.facts, samples)
            self._live_writer.flush()
            self._hand_over(batch)
        return None

    def _room(self) -> bool:
        """Wait until the live writer takes more; False when it does not and the learner is to stop."""
        while self._live_writer.full and not self._live_writer.flush():
            if self._stopping() or self._over.wait(PAUSE):
                return False
        return True
