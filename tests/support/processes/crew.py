"""Shards as threads of the test's process: the coordinator's side of `streaming.shards` without Ray.

A shard can be killed, its process being its worker, and it can hang; what it would have answered is lost.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from streaming.settings import Settings
from streaming.shards import Worker
from streaming.shards.crew import ShardLost
from streaming.shards.crew_messages import Rows


class ThreadCrew:
    """A `Crew` whose shards are threads. `close` ends them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._workers = [Worker(settings) for _ in range(settings.learner.shards)]
        self._threads = [ThreadPoolExecutor(1, f"shard {shard}") for shard in range(settings.learner.shards)]
        self._hanging = [threading.Event() for _ in self._workers]
        self.restarts = 0
        for event in self._hanging:
            event.set()

    def close(self) -> None:
        """End all threads."""
        for shard, thread in enumerate(self._threads):
            self._hanging[shard].set()
            thread.submit(self._workers[shard].close)
            thread.shutdown()

    def kill(self, shard: int) -> None:
        """End a shard's process, as a kill would: its next answers are errors until it has begun again."""
        gone = self._workers[shard]
        self._workers[shard] = Worker(self._settings)
        self._threads[shard].submit(gone.close)

    def hang(self, shard: int) -> None:
        """Let a shard answer nothing more, until it is started again."""
        self._hanging[shard].clear()

    def begin(self, shard: int, ask: bytes) -> Future[Any]:
        return self._call(shard, lambda worker: worker.begin(ask))

    def round(self, shard: int, ask: bytes, rows: Sequence[Rows]) -> Future[Any]:
        return self._call(shard, lambda worker: worker.round(ask, rows))

    def go_on(self, shard: int, ask: bytes, rows: Rows) -> Future[Any]:
        return self._call(shard, lambda worker: worker.go_on(ask, rows))

    def settle(self, shard: int, term: str) -> Future[Any]:
        return self._call(shard, lambda worker: worker.settle(term))

    def _call(self, shard: int, call: Any) -> Future[Any]:
        worker, going = self._workers[shard], self._hanging[shard]

        def answer() -> Any:
            going.wait()
            found = call(worker)
            going.wait()
            if worker is not self._workers[shard]:
                raise ShardLost("killed")
            return found

        return self._threads[shard].submit(answer)

    def share(self, rows: Rows) -> Rows:
        return rows

    def wait(self, calls: Sequence[Future[Any]], seconds: float) -> list[Future[Any]]:
        if not calls:
            time.sleep(seconds)  # no call is under way whose end could be waited for
            return []
        return list(wait(calls, seconds, FIRST_COMPLETED).done)

    def began(self, call: Future[Any]) -> bytes:
        found: bytes = self._answer(call)
        return found

    def report(self, call: Future[Any]) -> tuple[bytes, Rows]:
        raw, rows = self._answer(call)
        return raw, rows

    @staticmethod
    def _answer(call: Future[Any]) -> Any:
        try:
            return call.result()
        except ShardLost:
            raise
        except Exception as error:
            raise ShardLost(repr(error)) from error

    def restart(self, shard: int) -> None:
        self.restarts += 1
        self.kill(shard)
        self._hanging[shard].set()
