"""Reads what the coordinator reads itself, orders and item facts, and prepares it between two merges."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Sequence

from streaming.intake import ARRIVAL_SAMPLES, PreparedBatch
from streaming.kafka import Record
from streaming.learner import Stop
from streaming.learner.parts import Parts
from streaming.learner.polling import FULL, BatchGivenUp, Poller
from streaming.learning import Model


class OrderPoller(Poller):
    """Polls on its thread; decodes and writes to Redis when asked, while all shards wait.

    So an erasure is carried out at one moment for all of them: nothing is under way that was read before it.
    """

    def __init__(self, parts: Parts, model: Model, stop: Stop) -> None:
        super().__init__(parts, model, stop)
        self._steps: queue.Queue[list[Sequence[Record]]] = queue.Queue(1)
        self._why: BaseException | None = None

    def start(self) -> None:
        """Start the thread that polls."""
        self._thread.start()

    def prepared(self) -> PreparedBatch | None:
        """The next batch, None when there is none; its histories and facts are queued for Redis.

        Raises:
            Exception: The error that ended the polling.
        """
        if self._why is not None:
            raise self._why
        with contextlib.suppress(queue.Empty, BatchGivenUp):
            batch = self._intake.prepare(self._steps.get_nowait())
            batch.letters = self._parts.dead_letters.accepted
            live = self._parts.live_writer
            batch.live_number = live.add(batch.histories, batch.facts, batch.sampled_times(ARRIVAL_SAMPLES))
            live.flush()
            return batch
        return None

    def close(self) -> None:
        """End the thread; what was not prepared is read again next time."""
        self._over.set()
        self._thread.join(self._stop.share(10.0))
        self._show_unreadable(())

    def _end(self, why: BaseException | None) -> None:
        self._why = why

    def _take_in(self, polled: Sequence[Sequence[Record]]) -> None:
        for records in self._intake.steps(polled):
            while True:
                with contextlib.suppress(queue.Full):
                    self._steps.put(records, timeout=FULL)
                    break
                if self._pause(0.0):
                    return


__all__ = ["OrderPoller"]
