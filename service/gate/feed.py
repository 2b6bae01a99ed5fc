"""Looks at the served version and the gate once a second, and sends server-sent events to the pages that watch.

One task looks for all pages and remembers ten minutes, so that a page that opens or returns starts with the curves it
missed.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncGenerator, Callable
from statistics import median
from typing import Any, Final

import msgspec
from starlette.concurrency import run_in_threadpool

from service.gate.chronicle import Chronicle, DecisionLine
from service.gate.gatekeeper import Gatekeeper
from service.gate.past import PastDay
from service.runtime import cancel_and_wait, logs
from service.runtime.telemetry import Telemetry
from service.serving import TableSet, TableSets
from streaming.store import Store, StoreUnavailable

PERIOD: Final = 1.0
"""Seconds between looks: a version comes about once a second."""
REMEMBERED: Final = 600
"""Looks kept: ten minutes, some 200 KB for a page that opens."""
CLIENTS: Final = 32
"""Pages that may watch one service. Each holds a connection, and the page is for people."""
HEARTBEAT: Final = 5.0
"""Seconds without a look after which a comment is sent, so that a dead connection is noticed."""
RETRY: Final = 1_500
"""Milliseconds after which a page reconnects."""
SILENT: Final = b": still here\n\n"
"""A comment in the protocol of server-sent events."""


class PageFeed:
    """Looks once a second and feeds every page that watches. For one event loop."""

    def __init__(
        self, tables: TableSets, keeper: Gatekeeper, store: Store, telemetry: Telemetry, clock: Callable[[], float]
    ) -> None:
        self._tables, self._keeper, self._telemetry, self._clock = tables, keeper, telemetry, clock
        self._answered = telemetry.counts()
        self.past = PastDay()
        self._chronicle = Chronicle(store)
        self._boot = os.urandom(4).hex()
        self._number = 0
        self._points: deque[tuple[int, dict[str, Any]]] = deque(maxlen=REMEMBERED)
        self._state = b""
        self._decided_at = -1
        self._counted: tuple[float, int] | None = None
        self._rate = 0.0
        self._turn = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.closing = False
        self.clients = 0

    def start(self) -> None:
        """Start to look; called on the event loop."""
        self._task = asyncio.create_task(self._run(), name="live")

    def close(self) -> None:
        """Let every stream end within a second. May be called from a signal handler: it only sets a flag."""
        self.closing = True

    async def stop(self) -> None:
        """End the task."""
        self.closing = True
        await cancel_and_wait(self._task)

    @property
    def full(self) -> bool:
        """Whether as many pages watch as are allowed."""
        return self.clients >= CLIENTS

    async def _run(self) -> None:
        while True:
            try:
                await self._look()
            except Exception:
                # A defect here must not end the task: every page depends on it.
                logs.fault("no new data for the live page")
            turn, self._turn = self._turn, asyncio.Event()
            turn.set()
            await asyncio.sleep(PERIOD)

    async def _look(self) -> None:
        with self._tables.hold() as tables:
            point = {**self._point(tables), **self._answers()}
        self.past.add(point)
        self._number += 1
        self._points.append((self._number, point))
        if not self.clients:
            self._state = b""
            return
        decisions = await self._new_decisions()
        # Encoded once for all pages.
        self._state = self._message("state", {**point, "gate": self._gate(), "decisions": decisions})

    def _point(self, tables: TableSet | None) -> dict[str, Any]:
        now = self._clock()
        if tables is None:
            return {"at": round(now, 3), "version": None, "sequence": 0, "rate": 0.0, "scores": {}, **self._standing()}
        manifest, scores = tables.manifest, tables.recommender.scores()
        self._count(manifest.created_at, sum(manifest.progress.outcomes.values()))
        moments = manifest.evidence.get("record_times")
        served_at = self._keeper.state.promoted_at
        waited = served_at - median(moments) if moments and served_at >= manifest.created_at else None
        return {
            "at": round(now, 3),
            "version": manifest.id,
            "sequence": manifest.seq,
            "served_by": manifest.served_by,
            "created_at": manifest.created_at,
            "freshness": round(max(0.0, waited), 3) if waited is not None else None,
            "events": self._counted[1] if self._counted else 0,
            "rate": round(self._rate, 1),
            "items": tables.items,
            "tested": max((int(score["n"]) for score in scores.values()), default=0),
            "scores": {name: round(score["hr"], 4) for name, score in scores.items()},
            **self._standing(),
        }

    def _standing(self) -> dict[str, Any]:
        """What the time line shows of the gate at one moment; `held` has the reasons for which it holds."""
        keeper = self._keeper
        state, evidence, head = keeper.state, keeper.evidence, keeper.follower.head
        return {
            "newest": head.seq if head is not None else 0,
            "lag": round(evidence.known.lag, 3) if evidence.standing is not None else None,
            "reference": evidence.reference.seq if evidence.reference is not None else 0,
            "mode": state.mode,
            "baseline": state.baseline,
            "held": state.last_reasons if state.last_action == "hold" else (),
            "alarms": evidence.known.alarms,
            "anchors": list(dict.fromkeys(anchor.seq for anchor in state.anchors)),
        }

    def _answers(self) -> dict[str, Any]:
        """What this process answered since the last look, and whether it reaches Kafka."""
        before, self._answered = self._answered, self._telemetry.counts()
        more = self._answered.since(before)
        return {
            "slates": more.slates,
            "failed": more.failed,
            "degraded": more.degraded,
            "kafka_away": self._telemetry.kafka_is_away,
        }

    def _count(self, cut_at: float, events: int) -> None:
        """Update the events per second between the last two versions; 0 when none came for a while."""
        if self._counted is not None and cut_at > self._counted[0]:
            self._rate = max(0.0, (events - self._counted[1]) / (cut_at - self._counted[0]))
        elif self._counted is not None and self._clock() - cut_at > HEARTBEAT:
            self._rate = 0.0
        self._counted = (cut_at, events)

    def _gate(self) -> dict[str, Any]:
        keeper = self._keeper
        return {
            "revision": keeper.revision,
            "mode": keeper.state.mode,
            "baseline": keeper.state.baseline,
            "recovering": keeper.state.recovering,
            "head": keeper.follower.head.id if keeper.follower.head is not None else None,
            "store_error": keeper.store_error or keeper.refusal or None,
            "load_error": keeper.follower.load_error or None,
        }

    async def _new_decisions(self) -> list[DecisionLine]:
        """Decisions since the last look, newest first. A page that opens gets those before in a message of its own."""
        if self._keeper.revision == self._decided_at:
            return []
        revision = self._keeper.revision
        try:
            found = await run_in_threadpool(self._chronicle.fetch)
        except StoreUnavailable:
            return []  # the page keeps the decisions it has, and shows `store_error`
        self._decided_at = revision
        return self._chronicle.take(found)

    async def follow(self, last: str) -> AsyncGenerator[bytes, None]:
        """The messages for one page. `last`: the id of the last message it has, "" for none."""
        self.clients += 1
        try:
            yield f"retry: {RETRY}\n\n".encode()
            seen = self._seen(last)
            yield self._message("history", [point for number, point in self._points if number > seen])
            yield self._message("decisions", self._chronicle.kept)
            while not self.closing:
                yield await self._next()
        finally:
            self.clients -= 1

    async def _next(self) -> bytes:
        """The message of the next look; a comment when there is none."""
        try:
            await asyncio.wait_for(self._turn.wait(), HEARTBEAT)
        except TimeoutError:
            return SILENT
        return self._state or SILENT

    def _seen(self, last: str) -> int:
        boot, _, number = last.partition("-")
        return int(number) if boot == self._boot and number.isdigit() else 0

    def _message(self, event: str, data: Any) -> bytes:
        return b"event: %b\nid: %b-%d\ndata: %b\n\n" % (
            event.encode(),
            self._boot.encode(),
            self._number,
            msgspec.json.encode(data),
        )


__all__ = ["CLIENTS", "PERIOD", "PageFeed"]
