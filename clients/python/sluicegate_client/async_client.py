"""The client for programs with an event loop: the methods of `Client`, awaited."""

from __future__ import annotations

import asyncio
import random as randomness
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import httpx

from sluicegate_client import calls
from sluicegate_client.calls import Call
from sluicegate_client.errors import SluicegateError
from sluicegate_client.exchange import NoReply, Reply, Send, Steps, exchange
from sluicegate_client.outbox import BATCHING, Batching, Outbox
from sluicegate_client.retry import RETRY, Retry
from sluicegate_client.tracking import identified, settings_of, tracked
from sluicegate_client.types import (
    Ask,
    EventFields,
    EventsAnswer,
    IdentifyAnswer,
    ItemAccepted,
    ItemsAnswer,
    ListAsk,
    SentEvent,
    SentItem,
    Slate,
    UserAccepted,
)

T = TypeVar("T")


class AsyncClient:
    """Talks to one service from one event loop; use it in an `async with`, or close it, to send what still waits.

    >>> async with AsyncClient("http://127.0.0.1:8000") as shop:  # doctest: +SKIP
    ...     shop.track("click", "ann", "teapot-1")
    ...     slate = await shop.recommend("ann", n=3)
    """

    def __init__(
        self,
        address: str,
        key: str = "",
        *,
        timeout: float = 2.0,
        retry: Retry = RETRY,
        batching: Batching = BATCHING,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        random: Callable[[], float] = randomness.random,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """As `Client`; `sleep` is awaited."""
        self._http = httpx.AsyncClient(**settings_of(address, key, timeout), transport=transport)
        self._retry, self._sleep, self._random = retry, sleep, random
        self._clock, self._now, self._new_id = clock, now, new_id
        self.outbox = Outbox(batching, retry, random)
        """What waits, with counts of what was dropped and refused."""
        self._added = asyncio.Event()
        self._settled = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    async def recommend(self, user_id: str | None = None, **options: Unpack[Ask]) -> Slate:
        """A slate for a user, best item first; for nobody in particular with `recent_items` alone.

        Raises:
            SluicegateError: It was refused, or the service is away: show what the shop shows everybody.
        """
        return await self._call(calls.recommend(user_id, options))

    async def popular(
        self,
        n: int | None = None,
        category: str | None = None,
        attributes: Sequence[str] = (),
        **options: Unpack[ListAsk],
    ) -> Slate:
        """Items that are popular now, the same for everybody. Raises SluicegateError."""
        return await self._call(calls.listed("/popular", n, category, attributes, options))

    async def trending(
        self,
        n: int | None = None,
        category: str | None = None,
        attributes: Sequence[str] = (),
        **options: Unpack[ListAsk],
    ) -> Slate:
        """Items with which more is done now than before. Raises SluicegateError."""
        return await self._call(calls.listed("/trending", n, category, attributes, options))

    async def similar(
        self,
        item_id: str,
        n: int | None = None,
        attributes: Sequence[str] = (),
        category: str | None = None,
        **options: Unpack[ListAsk],
    ) -> Slate:
        """Items that go with an item. Raises SluicegateError."""
        return await self._call(calls.listed(calls.path("items", item_id, "similar"), n, category, attributes, options))

    async def bought_together(
        self,
        item_id: str,
        n: int | None = None,
        attributes: Sequence[str] = (),
        category: str | None = None,
        **options: Unpack[ListAsk],
    ) -> Slate:
        """Items that were bought in the same orders as an item. Raises SluicegateError."""
        path = calls.path("items", item_id, "bought-together")
        return await self._call(calls.listed(path, n, category, attributes, options))

    async def send_events(self, events: Iterable[SentEvent]) -> EventsAnswer:
        """Send events at once, and wait for the outcome of each. Raises SluicegateError."""
        return await self._call(calls.send_events(identified(events, self._new_id)))

    async def send_items(self, items: Iterable[SentItem | Mapping[str, Any]]) -> ItemsAnswer:
        """Say what items are: these facts replace their earlier ones. Raises SluicegateError."""
        return await self._call(calls.send_items(items))

    async def remove_item(self, item_id: str) -> ItemAccepted:
        """Say that the shop no longer has an item. Raises SluicegateError."""
        return await self._call(calls.remove_item(item_id))

    async def set_user(self, user_id: str, attributes: Mapping[str, Any]) -> UserAccepted:
        """Say what a user is: these attributes, as `{"plan": "pro"}`, replace all others. Raises SluicegateError."""
        return await self._call(calls.set_user(user_id, attributes))

    async def identify(self, anonymous_id: str, user_id: str) -> IdentifyAnswer:
        """Say that two ids are one person, who has logged in. Raises SluicegateError."""
        return await self._call(calls.identify(anonymous_id, user_id))

    def track(self, event_type: str, user_id: str, item_id: str | None = None, **fields: Unpack[EventFields]) -> str:
        """Send an event soon, with others; nothing is awaited. It survives an outage of the service. Returns its id.

        Raises:
            RuntimeError: The client is closed, or no event loop runs.
        """
        if self._closing:
            raise RuntimeError("the client is closed: track events before `close`, or make another one")
        event_id, event = tracked(event_type, user_id, item_id, fields, self._now, self._new_id)
        self.outbox.add(event_id, event, self._clock())
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._deliver(), name="sluicegate-events")
        self._added.set()
        return event_id

    async def flush(self, timeout: float = 5.0) -> int:
        """Send what waits now. Returns the number of events that still wait after `timeout` seconds."""
        self.outbox.hurry(self._clock())
        self._added.set()
        try:
            async with asyncio.timeout(timeout):
                while self.outbox:
                    self._settled.clear()
                    await self._settled.wait()
        except TimeoutError:
            return len(self.outbox)
        return 0

    async def close(self, timeout: float = 5.0) -> int:
        """Send what waits, and end. Returns the number of events that could not be sent, which are lost."""
        await self.flush(0.0 if self._closing else timeout)
        self._closing = True
        self._added.set()
        if self._task is not None:
            await self._task
        await self._http.aclose()
        return len(self.outbox)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _deliver(self) -> None:
        """The task that sends events."""
        while not self._closing:
            wait = self.outbox.wait(self._clock())
            if wait != 0.0:
                self._added.clear()
                try:
                    async with asyncio.timeout(wait):
                        await self._added.wait()
                except TimeoutError:
                    pass  # the events that wait are due now
                continue
            batch = self.outbox.batch()
            try:
                # One attempt: the outbox repeats, and then with the events that came meanwhile.
                answer = await self._run(batch, exchange(batch, Retry(attempts=1), self._random))
            except SluicegateError as error:
                self.outbox.failed(error, self._clock())
            else:
                self.outbox.answered(answer, self._clock())
            self._settled.set()

    async def _call(self, call: Call[T]) -> T:
        return await self._run(call, exchange(call, self._retry, self._random))

    async def _run(self, call: Call[T], steps: Steps[T]) -> T:
        outcome: Reply | NoReply | None = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as end:
                answer: T = end.value
                return answer
            if isinstance(step, Send):
                outcome = await self._send(call)
            else:
                await self._sleep(step.seconds)
                outcome = None

    async def _send(self, call: Call[T]) -> Reply | NoReply:
        try:
            found = await self._http.request(call.method, call.path, content=call.body)
        except httpx.TransportError as error:
            return NoReply(f"{type(error).__name__} {error}".strip())
        return Reply(found.status_code, found.headers, found.content)
