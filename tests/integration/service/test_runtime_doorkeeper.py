"""Slow, huge and numerous connections, and whether others are still answered."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import uvicorn

from service.runtime import doorkeeper
from service.runtime.doorkeeper import HEADER_BYTES, Doorkeeper, room
from tests.conftest import eventually

HALF = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
WHOLE = HALF + b"\r\n"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Reads the body and answers with its length; /early answers before that, /large with 8 MB."""
    assert scope["type"] == "http"
    text = b"x" * (8 << 20) if scope["path"] == "/large" else b"early"
    if scope["path"] == "/":
        length, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            length += len(message.get("body", b""))
            more = message.get("more_body", False)
        text = str(length).encode()
    headers = [(b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text})


class Door:
    """A server on a port of its own that a doorkeeper watches."""

    def __init__(self, port: int, closed: list[str]) -> None:
        self.port, self.closed = port, closed
        self.base = f"http://127.0.0.1:{port}"
        self.links = contextlib.ExitStack()

    def connect(self, sent: bytes = b"") -> socket.socket:
        link = self.links.enter_context(socket.create_connection(("127.0.0.1", self.port), timeout=60.0))
        link.sendall(sent)
        return link


@contextlib.contextmanager
def door(*, most: int = 2_000, per_address: int = 512, keep_alive: int = 75, **how: Any) -> Iterator[Door]:
    closed: list[str] = []
    keeper = Doorkeeper(most, per_address, closed=closed.append, **how)
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        loop="uvloop",
        http=keeper.protocol(),
        ws="none",
        lifespan="off",
        log_config=None,
        timeout_keep_alive=keep_alive,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    eventually(lambda: server.started, timeout=30.0)
    made = Door(server.servers[0].sockets[0].getsockname()[1], closed)
    try:
        with made.links:
            yield made
    finally:
        server.should_exit = True
        thread.join(60.0)
        assert not thread.is_alive()


def rest(link: socket.socket) -> bytes:
    """What arrives until the connection ends."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while part := link.recv(65_536):
            found += part
    return found


def answered(link: socket.socket) -> None:
    """Read one answer whose body is the length of nothing."""
    found = b""
    while not found.endswith(b"\r\n\r\n0"):
        part = link.recv(1)
        assert part, found
        found += part
    assert found.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("sent", [b"", HALF, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"])
def test_2100_half_open_connections_keep_nobody_out(sent: bytes) -> None:
    assert room(4_000) > 2_300, "the test itself needs as many files"
    with door(most=2_000, per_address=512) as served, contextlib.ExitStack() as open_links:
        client = open_links.enter_context(httpx.Client(base_url=served.base, timeout=60.0))
        assert client.get("/").status_code == 200
        for _ in range(2_100):
            open_links.enter_context(contextlib.closing(served.connect(sent)))
        # One that was connected before, and new ones.
        assert client.get("/").status_code == 200
        for _ in range(5):
            assert httpx.get(f"{served.base}/", timeout=60.0).status_code == 200
        assert len(served.closed) >= 2_100 - 512
        assert set(served.closed) == {"room"}


def test_room_is_made_in_all_for_an_address_that_has_few() -> None:
    with door(most=16, per_address=2_000) as served, contextlib.ExitStack() as open_links:
        for _ in range(64):
            open_links.enter_context(contextlib.closing(served.connect(HALF)))
        assert httpx.get(f"{served.base}/", timeout=60.0).status_code == 200
        assert len(served.closed) >= 64 - 16


def test_a_proxy_may_have_more_connections_than_other_addresses() -> None:
    with door(per_address=8, proxies=("127.0.0.0/8",)) as served, contextlib.ExitStack() as open_links:
        links = [open_links.enter_context(contextlib.closing(served.connect(HALF))) for _ in range(40)]
        for link in links:
            link.sendall(b"\r\n")
            answered(link)
        assert not served.closed


def test_headers_have_a_deadline_that_no_drop_of_bytes_moves() -> None:
    with door(header_seconds=1.0) as served:
        silent, slow = served.connect(), served.connect(HALF)
        with contextlib.suppress(OSError):
            for _ in range(1_000):
                slow.sendall(b"X-A: b\r\n")
                if served.closed.count("deadline") == 2:
                    break
                slow.settimeout(0.02)
                with contextlib.suppress(TimeoutError):
                    if slow.recv(1, socket.MSG_PEEK):
                        break
        slow.settimeout(60.0)
        assert rest(slow).startswith(b"HTTP/1.1 408 ")
        assert rest(silent) == b""
        # The second request of a connection has the same deadline.
        kept = served.connect(WHOLE)
        answered(kept)
        kept.sendall(HALF)
        assert rest(kept).startswith(b"HTTP/1.1 408 ")
        assert set(served.closed) == {"deadline"}


def test_an_upload_that_stands_still_is_given_up_and_one_that_moves_is_not() -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 6\r\n\r\n"
    with door(body_seconds=1.0, body_rate=10.0) as served:
        assert rest(served.connect(head + b"abc")) == b""
        assert served.closed == ["deadline"]
        moving = served.connect(head + b"abc")
        moving.sendall(b"def")
        assert rest(moving).endswith(b"\r\n\r\n6")


def test_an_upload_of_a_byte_now_and_then_is_given_up() -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"
    with door(body_seconds=0.3, body_rate=1_000.0) as served:
        slow = served.connect(head)
        slow.settimeout(0.02)
        for _ in range(1_000):
            try:
                slow.sendall(b"a")
                if not slow.recv(1):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        assert served.closed == ["deadline"]


def test_the_rest_of_an_upload_that_is_answered_already_has_deadlines_too() -> None:
    head = b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n"
    with door(body_seconds=0.3) as served:
        still = served.connect(head + b"abc")
        assert rest(still).endswith(b"early")
        assert served.closed == ["deadline"]


@pytest.mark.parametrize("sent", [b"\r\n", HALF])
def test_bytes_on_an_idle_connection_have_the_deadline_of_headers(sent: bytes) -> None:
    with door(header_seconds=1.0) as served:
        kept = served.connect(WHOLE)
        answered(kept)
        kept.sendall(sent)
        assert rest(kept).startswith(b"HTTP/1.1 408 ")
        assert served.closed == ["deadline"]


def test_clients_that_do_not_read_their_answers_make_room_and_keep_nobody_out() -> None:
    ask = b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n"
    with door(most=16) as served, contextlib.ExitStack() as open_links:
        for _ in range(24):  # each asks twice, so that the second answer waits for the first to be read
            open_links.enter_context(contextlib.closing(served.connect(ask * 2)))
        eventually(lambda: len(served.closed) >= 8)
        assert httpx.get(f"{served.base}/", timeout=60.0).status_code == 200
        assert set(served.closed) == {"room"}


def test_a_client_that_never_reads_its_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doorkeeper, "PATIENCE", 0.2)
    with door(keep_alive=1) as served:
        link = served.connect(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        eventually(lambda: served.closed == ["deadline"])
        link.close()


@pytest.mark.parametrize("piece", [4_000, 1 << 20], ids=["in pieces", "at once"])
def test_headers_beyond_the_limit_are_431_however_they_come(piece: int) -> None:
    line = b"X-Long: " + b"a" * 1_000 + b"\r\n"
    for sent in (
        HALF + line * (HEADER_BYTES // 1_000 + 2) + b"\r\n",
        HALF + b"X-Long: " + b"a" * (HEADER_BYTES + 1_000),
        b"GET /" + b"a" * (HEADER_BYTES + 1_000) + b" HTTP/1.1\r\n\r\n",
    ):
        with door() as served:
            link = served.connect()
            with contextlib.suppress(OSError):
                for start in range(0, len(sent), piece):
                    link.sendall(sent[start : start + piece])
            assert rest(link).startswith(b"HTTP/1.1 431 ")
            assert served.closed == ["size"]


def test_trailers_are_headers_and_a_long_body_is_none() -> None:
    chunked = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"
    with door() as served:
        link = served.connect(chunked)
        with contextlib.suppress(OSError):
            for _ in range(40_000):
                link.sendall(b"X-Trailer: abcdefgh\r\n")
        assert rest(link) == b""
        assert served.closed == ["size"]
    with door() as served:
        body = b"x" * (4 * HEADER_BYTES)
        assert httpx.post(served.base, content=body, timeout=60.0).text == str(len(body))
        many = httpx.post(served.base, content=(b"y" for _ in range(20_000)), timeout=60.0)
        assert many.text == "20000"
        assert not served.closed


class Guest:
    """A connection of the doorkeeper's that waits for its headers, without a socket."""

    def __init__(self, keeper: Doorkeeper) -> None:
        self.keeper, self.place, self.evicted = keeper, None, False

    def arrive(self, host: str) -> bool:
        inside = self.keeper.enter(self, host)  # type: ignore[arg-type]
        if self.place is not None:
            self.place.waiting["half"][self] = None
        return inside

    def evict(self, _: str) -> None:
        self.evicted = True
        self.place.waiting["half"].pop(self)  # type: ignore[attr-defined]
        self.keeper.leave(self)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("hosts", "alike"),
    [
        (["2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:0:1::"], True),
        (["2001:db8::1", "2001:db8:0:1::1"], False),
        (["198.51.100.7", "::ffff:198.51.100.7"], True),
        (["198.51.100.7", "198.51.100.8"], False),
    ],
)
def test_an_address_is_that_of_one_subscriber(hosts: list[str], alike: bool) -> None:
    keeper = Doorkeeper(100, 1)
    guests = [Guest(keeper) for _ in hosts]
    assert all(guest.arrive(host) for guest, host in zip(guests, hosts, strict=True))
    assert [guest.evicted for guest in guests] == [alike] * (len(hosts) - 1) + [False]


def test_an_address_that_has_left_or_was_refused_is_forgotten() -> None:
    keeper = Doorkeeper(1, 1, proxies=("10.0.0.0/8",))
    answering = Guest(keeper)
    assert answering.arrive("::ffff:10.0.0.7")
    answering.place.waiting["half"].clear()  # type: ignore[attr-defined]
    assert not Guest(keeper).arrive("198.51.100.7")
    assert list(keeper._addresses) == ["::ffff:10.0.0.7"]
    keeper.leave(answering)  # type: ignore[arg-type]
    assert not keeper._addresses
    assert Guest(keeper).arrive("198.51.100.7")
