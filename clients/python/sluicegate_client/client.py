"""The client for programs with threads."""

from __future__ import annotations

import atexit
import random as randomness
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
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


class Client:
    """Talks to one service. Safe to share between threads.

    Close it, or use it in a `with`, to send what still waits. It closes by itself when the interpreter ends, but not
    when a signal ends the process.

    >>> with Client("http://127.0.0.1:8000") as shop:  # doctest: +SKIP
    ...     shop.track("click", "ann", "teapot-1")
    ...     shop.recommend("ann", n=3).items[0].item_id
    'mug-3'
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
        sleep: Callable[[float], None] = time.sleep,
        random: Callable[[], float] = randomness.random,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Open nothing yet: connections, and the thread that sends events, begin with the first use.

        Args:
            address: Where the service is, with the path under which a proxy shows it.
            key: A secret key: role `read` to ask, `events` to send.
            timeout: Seconds for one attempt.
            retry: How often, and how patiently, calls are repeated.
            batching: When events are sent, and how many may wait.
            clock: Monotonic seconds.
            now: Epoch seconds, for events that say no time.
            sleep: Waits so many seconds between two attempts.
            random: Numbers between 0 and 1, for the waits.
            new_id: Makes the id of an event that has none.
            transport: What httpx sends with; by default the network.
        """
        self._http = httpx.Client(**settings_of(address, key, timeout), transport=transport)
        self._retry, self._sleep, self._random = retry, sleep, random
        self._clock, self._now, self._new_id = clock, now, new_id
        self.outbox = Outbox(batching, retry, random)
        """What waits, with counts of what was dropped and refused."""
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closing = False

    def recommend(self, user_id: str | None = None, **options: Unpack[Ask]) -> Slate:
        """A slate for a user, best item first; for nobody in particular with `recent_items` alone.

        Raises:
            SluicegateError: It was refused, or the service is away: show what the shop shows everybody.
        """
        return self._call(calls.recommend(user_id, options))

    def popular(
        self,
        n: int | None = None,
        category: str | None = None,
        attributes: Sequence[str] = (),
        **options: Unpack[ListAsk],
    ) -> Slate:
        """Items that are popular now, the same for everybody. Raises SluicegateError."""
        return self._call(calls.listed("/popular", n, category, attributes, options))

    def trending(
        self,
        n: int | None = None,
        category: str | None = None,
        attributes: Sequence[str] = (),
        **options: Unpack[ListAsk],
    ) -> Slate:
        """Items with which more is done now than before. Raises SluicegateError."""
        return self._call(calls.listed("/trending", n, category, attributes, options))

    def similar(
        self,
        item_id: str,
        n: int | None = None,
        attributes: Sequence[str] = (),
        category: str | None = None,
        **options: Unpack[ListAsk],
    ) -> Slate:
        """Items that go with an item. Raises SluicegateError."""
        return self._call(calls.listed(calls.path("items", item_id, "similar"), n, category, attributes, options))

    def bought_together(
        self,
        item_id: str,
        n: int | None = None,
        attributes: Sequence[str] = (),
        category: str | None = None,
        **options: Unpack[ListAsk],
    ) -> Slate:
        """Items that were bought in the same orders as an item. Raises SluicegateError."""
        path = calls.path("items", item_id, "bought-together")
        return self._call(calls.listed(path, n, category, attributes, options))

    def send_events(self, events: Iterable[SentEvent]) -> EventsAnswer:
        """Send events at once, and wait for the outcome of each. Raises SluicegateError."""
        return self._call(calls.send_events(identified(events, self._new_id)))

    def send_items(self, items: Iterable[SentItem | Mapping[str, Any]]) -> ItemsAnswer:
        """Say what items are: these facts replace their earlier ones. Raises SluicegateError."""
        return self._call(calls.send_items(items))

    def remove_item(self, item_id: str) -> ItemAccepted:
        """Say that the shop no longer has an item. Raises SluicegateError."""
        return self._call(calls.remove_item(item_id))

    def set_user(self, user_id: str, attributes: Mapping[str, Any]) -> UserAccepted:
        """Say what a user is: these attributes, as `{"plan": "pro"}`, replace all others. Raises SluicegateError."""
        return self._call(calls.set_user(user_id, attributes))

    def identify(self, anonymous_id: str, user_id: str) -> IdentifyAnswer:
        """Say that two ids are one person, who has logged in. Raises SluicegateError."""
        return self._call(calls.identify(anonymous_id, user_id))

    def track(self, event_type: str, user_id: str, item_id: str | None = None, **fields: Unpack[EventFields]) -> str:
        """Send an event soon, with others, without waiting; it survives an outage of the service. Returns its id.

        Raises:
            RuntimeError: The client is closed.
        """
        event_id, event = tracked(event_type, user_id, item_id, fields, self._now, self._new_id)
        with self._changed:
            if self._closing:
                raise RuntimeError("the client is closed: track events before `close`, or make another one")
            self.outbox.add(event_id, event, self._clock())
            if self._thread is None:
                self._thread = threading.Thread(target=self._deliver, name="sluicegate-events", daemon=True)
                self._thread.start()
                atexit.register(self.close)
            self._changed.notify_all()
        return event_id

    def flush(self, timeout: float = 5.0) -> int:
        """Send what waits now. Returns the number of events that still wait after `timeout` seconds."""
        with self._changed:
            self.outbox.hurry(self._clock())
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self.outbox, timeout)
            return len(self.outbox)

    def close(self, timeout: float = 5.0) -> int:
        """Send what waits, and end. Returns the number of events that could not be sent, which are lost."""
        atexit.unregister(self.close)
        self.flush(0.0 if self._closing else timeout)
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
        self._http.close()
        return len(self.outbox)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _deliver(self) -> None:
        """The thread that sends events."""
        while True:
            with self._changed:
                while not self._closing and (wait := self.outbox.wait(self._clock())) != 0.0:
                    self._changed.wait(wait)
                if self._closing:
                    return
                batch = self.outbox.batch()
            try:
                # One attempt: the outbox repeats, and then with the events that came meanwhile.
                answer = self._run(batch, exchange(batch, Retry(attempts=1), self._random))
            except SluicegateError as error:
                with self._changed:
                    self.outbox.failed(error, self._clock())
                    self._changed.notify_all()
            else:
                with self._changed:
                    self.outbox.answered(answer, self._clock())
                    self._changed.notify_all()

    def _call(self, call: Call[T]) -> T:
        return self._run(call, exchange(call, self._retry, self._random))

    def _run(self, call: Call[T], steps: Steps[T]) -> T:
        outcome: Reply | NoReply | None = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as end:
                answer: T = end.value
                return answer
            if isinstance(step, Send):
                outcome = self._send(call)
            else:
                self._sleep(step.seconds)
                outcome = None

    def _send(self, call: Call[T]) -> Reply | NoReply:
        try:
            found = self._http.request(call.method, call.path, content=call.body)
        except httpx.TransportError as error:
            return NoReply(f"{type(error).__name__} {error}".strip())
        return Reply(found.status_code, found.headers, found.content)
