"""In: prepared batches. Out: the same in the same order, each once its histories are in Redis. Stage 1, second half.

On a thread of its own, so that reading and decoding go on while Redis answers. A batch is never handed on before its
histories were written, or were left waiting in the mirror because Redis is away.
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
"""Seconds without a batch after which what waits for Redis is tried again."""

PAUSE = 0.1
"""Seconds between tries while so much waits for Redis that nothing more may be read."""

ARRIVAL_SAMPLES = 16
"""Records of a batch whose way to the history is timed: a histogram needs no more, and each costs a microsecond."""

Passed = PreparedBatch | BaseException | None
"""A batch; or what ended the intake, None when it was told to."""


class HistoryStage:
    """Writes what `put` takes, then gives it to `hand_over`, until the intake or the term is over.

    `stopping`: whether to give up, with so much waiting that nothing more may be read, what Redis does not take.
    """

    def __init__(
        self,
        mirror: LiveWriter,
        hand_over: Callable[[Passed], None],
        over: threading.Event,
        stopping: Callable[[], bool],
    ) -> None:
        self._mirror, self._hand_over, self._over, self._stopping = mirror, hand_over, over, stopping
        self._waiting: queue.Queue[Passed] = queue.Queue(AHEAD)
        self._given_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="histories", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def join(self, timeout: float) -> None:
        """Wait for the end."""
        self._thread.join(timeout)

    def put(self, batch: Passed) -> None:
        """Hand in the next batch, once there is room; afterwards nobody takes it any more."""
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
        """Until the intake has ended: what it ended with."""
        while not self._over.is_set():
            try:
                batch = self._waiting.get(timeout=IDLE)
            except queue.Empty:
                self._mirror.flush()
                continue
            if not isinstance(batch, PreparedBatch):
                return batch
            if not self._room():
                return None
            samples = batch.sampled_times(ARRIVAL_SAMPLES)
            batch.live_number = self._mirror.add(batch.histories, batch.facts, samples)
            self._mirror.flush()
            self._hand_over(batch)
        return None

    def _room(self) -> bool:
        """Wait until the mirror takes more; False when it does not and the learner is to stop."""
        while self._mirror.full and not self._mirror.flush():
            if self._stopping() or self._over.wait(PAUSE):
                return False
        return True
