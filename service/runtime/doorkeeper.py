"""Keeps slow, huge and numerous connections from standing in the way of others: deadlines, sizes, room for new ones.

A connection costs an attacker nothing while it waits: before its headers are complete, between the parts of a body,
while it does not read its answer, or idle. Such connections make room first when an address, or all addresses together,
have too many.
"""

from __future__ import annotations

import asyncio
import math
import resource
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADER_SECONDS: Final = 10.0
"""Seconds from the beginning of a connection or a request to the end of its headers."""
BODY_SECONDS: Final = 30.0
"""Seconds without a byte after which an upload is given up."""
BODY_RATE: Final = 1_000
"""Bytes a second below which an upload is given up; the first `BODY_SECONDS` are free."""
PATIENCE: Final = 5.0
"""Seconds after the keep-alive time-out at which a connection is closed that still has not read its answer."""
HEADER_BYTES: Final = 32 << 10
"""Bytes of the first line and the headers together; an address of 2,000 parameters fits."""
FILES: Final = 8_192
"""Open files that are asked of the system; each connection is one."""
RESERVED: Final = 128
"""Open files that connections leave for everything else."""

HALF: Final = "half"
UPLOADING: Final = "uploading"
UNREAD: Final = "unread"
IDLE: Final = "idle"
ANSWERING: Final = "answering"
WAITING: Final = (HALF, UPLOADING, UNREAD, IDLE)
"""States in which a connection waits for its client, in the order in which they make room: headers incomplete, body
incomplete, answer not read, idle."""

_ANSWERS: Final = {408: b"Request Timeout", 431: b"Request Header Fields Too Large"}


@dataclass(slots=True, eq=False)
class _Address:
    """The connections of one address. Those that wait are in the order in which they began to."""

    name: str
    limit: float
    total: int = 0
    waiting: dict[str, dict[Connection, None]] = field(default_factory=lambda: {state: {} for state in WAITING})

    @property
    def idlers(self) -> int:
        """Number of connections that wait."""
        return sum(map(len, self.waiting.values()))

    def victim(self) -> Connection | None:
        """The connection to close first."""
        return next((each for state in WAITING for each in self.waiting[state]), None)


class Doorkeeper:
    """Counts the connections of one server, and says which one makes room for a new one."""

    def __init__(
        self,
        most: int,
        per_address: int,
        proxies: Collection[str] = (),
        closed: Callable[[str], object] = lambda _: None,
        header_seconds: float = HEADER_SECONDS,
        body_seconds: float = BODY_SECONDS,
        body_rate: float = BODY_RATE,
    ) -> None:
        """Make a doorkeeper.

        Args:
            most: Connections at once.
            per_address: Connections of one address at once.
            proxies: Addresses and networks that may have as many as there is room for.
            closed: Called with the reason whenever a connection is closed here: deadline, size, or room.
            header_seconds: Deadline of the headers.
            body_seconds: Longest silence of an upload.
            body_rate: Least bytes a second of an upload.
        """
        self._most, self._per_address = most, per_address
        self._proxies = [ip_network(proxy) for proxy in proxies]
        self.closed = closed
        self.header_seconds, self.body_seconds, self.body_rate = header_seconds, body_seconds, body_rate
        self._addresses: dict[str, _Address] = {}
        self._total = 0

    def protocol(self) -> type[Connection]:
        """The protocol of connections that this doorkeeper watches."""
        return type("WatchedConnection", (Connection,), {"keeper": self})

    def enter(self, connection: Connection, host: str) -> bool:
        """Count a new connection; make room for it if need be. False when all others are being answered."""
        name, limit = self._group(host)
        found = self._addresses.get(name) or _Address(name, limit)
        if found.total >= found.limit and not _make_room(found):
            return False
        if self._total >= self._most and not _make_room(max(self._addresses.values(), key=lambda each: each.idlers)):
            return False
        self._addresses[name] = found
        found.total += 1
        self._total += 1
        connection.place = found
        return True

    def leave(self, connection: Connection) -> None:
        """Count a connection that has ended."""
        found, connection.place = connection.place, None
        if found is None:
            return
        found.total -= 1
        self._total -= 1
        if not found.total:
            self._addresses.pop(found.name, None)

    def _group(self, host: str) -> tuple[str, float]:
        """The name under which an address is counted, and how many connections it may have."""
        try:
            address = ip_address(host)
        except ValueError:
            return host, self._per_address
        if isinstance(address, IPv6Address):
            address = address.ipv4_mapped or address
        if any(address in proxy for proxy in self._proxies):
            return host, math.inf
        if isinstance(address, IPv6Address):
            # One subscriber has a network of 64 bits, and with it as many addresses as they want.
            return str(IPv6Address(int(address) >> 64 << 64)), self._per_address
        return str(address), self._per_address


def _make_room(place: _Address) -> bool:
    victim = place.victim()
    if victim is None:
        return False
    victim.evict("room")
    return True


class Connection(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 with deadlines, and a limit for the headers."""

    keeper: Doorkeeper
    place: _Address | None = None
    _state = ANSWERING
    _timer: asyncio.TimerHandle | None = None
    _due = math.inf  # deadline of the present state, in seconds of the loop's clock
    _allowed = math.inf  # when an upload falls below the least rate, likewise
    _unsent = math.inf  # bytes of answers that the client had not read at the last look
    _piece = 0  # bytes that arrived together with those being parsed
    _size = 0  # bytes since the beginning of the request, or since the last part of its body
    _refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a new connection, or close it when there is no room."""
        super().connection_made(transport)
        if self.keeper.enter(self, self.client[0] if self.client else ""):
            self._begin()
        else:
            self.keeper.closed("room")
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._leave()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes of a request."""
        self._piece = len(data)
        if self._state == IDLE:
            self._begin()  # bytes that begin no request have a deadline as well
        self._size += self._piece
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._size > HEADER_BYTES:
            self._refuse(431, "size")
        elif self._state == UPLOADING:
            self._allowed += self._piece / self.keeper.body_rate
            self._due = min(self.loop.time() + self.keeper.body_seconds, self._allowed)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        if self._state != HALF:
            self._begin()

    def on_headers_complete(self) -> None:
        """The headers of a request are complete."""
        if self._refused:
            return
        if max(self._size, self._piece) > HEADER_BYTES and self._length() > HEADER_BYTES:
            self._refuse(431, "size")
            return
        super().on_headers_complete()
        self._size = 0
        self._move(UPLOADING)
        self._expect(self.keeper.body_seconds)
        self._allowed = self._due

    def on_body(self, body: bytes) -> None:
        """A part of a body has arrived."""
        self._size = 0
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is complete."""
        if self._refused:
            return
        super().on_message_complete()
        self._size = 0
        self._await_client(IDLE if self.cycle.response_complete else ANSWERING)

    def on_response_complete(self) -> None:
        """A request is answered."""
        another = bool(self.pipeline)
        super().on_response_complete()
        if self._state in {ANSWERING, UNREAD} and not self.transport.is_closing():
            self._await_client(ANSWERING if another else IDLE)

    def pause_writing(self) -> None:
        """The client does not read as fast as it is answered."""
        super().pause_writing()
        if self._state == ANSWERING:
            self._await_client(ANSWERING)

    def resume_writing(self) -> None:
        """The client has read most of its answer."""
        super().resume_writing()
        if self._state == UNREAD:
            self._await_client(ANSWERING)

    def evict(self, reason: str) -> None:
        """Close this connection at once."""
        self.keeper.closed(reason)
        self._leave()
        # uvicorn counts it until the loop comes round; it must not refuse the one that this makes room for.
        self.connections.discard(self)
        self.transport.abort()

    def _begin(self) -> None:
        """Wait for the headers of a request."""
        self._size = 0
        self._move(HALF)
        self._expect(self.keeper.header_seconds)

    def _await_client(self, state: str) -> None:
        """Go over to ANSWERING, to UNREAD if the client has not read the answers so far, or to IDLE."""
        if state == ANSWERING and self.flow.write_paused:
            state = UNREAD
        self._move(state)
        self._unsent = math.inf
        # uvicorn closes idle connections, but not those that have not read their answer.
        self._expect(math.inf if state == ANSWERING else self.timeout_keep_alive + PATIENCE)

    def _length(self) -> int:
        """Bytes of the first line and the headers."""
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _refuse(self, status: int, reason: str) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self.evict(reason)  # an answer to an earlier request is under way: another must not come before it
            return
        self._refused = True
        self.keeper.closed(reason)
        line = b"HTTP/1.1 %d %s\r\n" % (status, _ANSWERS[status])
        self.transport.write(line + b"content-length: 0\r\nconnection: close\r\n\r\n")
        self.transport.close()

    def _expect(self, seconds: float) -> None:
        """Set the deadline of the present state. One timer runs at a time, and looks at the deadline when it ends."""
        self._due = self.loop.time() + seconds
        if self._timer is not None and self._timer.when() > self._due:
            self._timer.cancel()
            self._timer = None
        if self._timer is None and seconds < math.inf:
            self._timer = self.loop.call_later(seconds, self._look)

    def _look(self) -> None:
        """Close the connection if its deadline has passed."""
        self._timer = None
        if self._due == math.inf or self.place is None:
            return
        left = self._due - self.loop.time()
        if left > 0:
            self._timer = self.loop.call_later(left, self._look)
        elif self._state == HALF and self._size and not self.transport.is_closing():
            self._refuse(408, "deadline")
        elif self._state in {UNREAD, IDLE} and 0 < (unsent := self.transport.get_write_buffer_size()) < self._unsent:
            self._unsent = unsent  # it reads, slowly
            self._expect(self.timeout_keep_alive)
        else:
            self.evict("deadline")

    def _move(self, state: str) -> None:
        if self.place is None:
            return
        waiting = self.place.waiting
        if self._state in waiting:
            waiting[self._state].pop(self, None)
        self._state = state
        if state in waiting:
            waiting[state][self] = None

    def _leave(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._move(ANSWERING)
        self.keeper.leave(self)


def room(most: int) -> int:
    """Connections that this process may have open, at most `most`; asks the system for more files if need be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return most if soft == resource.RLIM_INFINITY else max(16, min(most, soft - RESERVED))


__all__ = ["Connection", "Doorkeeper", "room"]
