"""Tokens of OAUTHBEARER: when they are read or fetched, and what is said when there is none."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from streaming.kafka.errors import BrokerAway, NotAllowed, UnusableFile
from streaming.kafka.tokens import Tokens
from streaming.settings import KafkaSettings


class Endpoint:
    """A token endpoint that answers what it is told to."""

    def __init__(self) -> None:
        self.status, self.body = 200, b""
        self.asked: list[tuple[str, bytes]] = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                """One request."""
                sent = self.rfile.read(int(self.headers["Content-Length"]))
                endpoint.asked.append((self.headers["Authorization"], sent))
                self.send_response(endpoint.status)
                self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(endpoint.body)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/token"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def gives(self, token: str, **more: object) -> None:
        """What the next answers hold."""
        self.body = json.dumps({"access_token": token, **more}).encode()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()
    yield made
    made.server.shutdown()
    made.server.server_close()


def bearer(**more: Any) -> KafkaSettings:
    return KafkaSettings(security_protocol="SASL_SSL", sasl_mechanism="OAUTHBEARER", **more)


def client(endpoint: Endpoint, **more: Any) -> KafkaSettings:
    return bearer(token_url=endpoint.url, username="shop a", password="p:w/d", **more)


def test_a_token_file_is_read_at_each_login(tmp_path: Path) -> None:
    file = tmp_path / "token"
    tokens = Tokens(bearer(token_file=file))
    for text in ("first", "second"):
        file.write_text(f"{text}\n")
        assert tokens.token() == text


@pytest.mark.parametrize("text", ["", "\n", "two\nlines", "caf\u00e9"])
def test_a_token_file_without_a_token_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "token"
    file.write_text(text)
    with pytest.raises(UnusableFile, match=r"kafka.token_file: .*token cannot be used: it holds no token"):
        Tokens(bearer(token_file=file)).token()


def test_a_fetched_token_serves_until_four_fifths_of_its_life_are_over(endpoint: Endpoint) -> None:
    now = [1000.0]
    tokens = Tokens(client(endpoint, token_scope="kafka"), lambda: now[0])
    endpoint.gives("one", expires_in=100)
    assert tokens.token() == "one"
    endpoint.gives("two", expires_in=100)
    now[0] += 79.0
    assert tokens.token() == "one"
    now[0] += 1.0
    assert tokens.token() == "two"
    name, secret = base64.b64decode(endpoint.asked[0][0].removeprefix("Basic ")).decode().split(":")
    assert (name, secret) == ("shop+a", "p%3Aw%2Fd")
    assert endpoint.asked[0][1] == b"grant_type=client_credentials&scope=kafka"
    assert len(endpoint.asked) == 2


@pytest.mark.parametrize("status", [400, 401, 403])
def test_an_endpoint_that_refuses_us_says_what_to_check_and_not_the_secret(endpoint: Endpoint, status: int) -> None:
    endpoint.status = status
    with pytest.raises(NotAllowed, match=rf"refuses us \(HTTP {status}\): check kafka.username") as caught:
        Tokens(client(endpoint)).token()
    assert "p:w/d" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "body"), [(500, b""), (302, b""), (200, b"not json"), (200, b"[]"), (200, b'{"token": "x"}')]
)
def test_an_endpoint_that_gives_nothing_is_asked_again_and_never_followed(
    endpoint: Endpoint, status: int, body: bytes
) -> None:
    tokens = Tokens(client(endpoint))
    endpoint.status, endpoint.body = status, body
    with pytest.raises(BrokerAway, match="gives no token"):
        tokens.token()
    assert len(endpoint.asked) == 1
    endpoint.status = 200
    endpoint.gives("at last")
    assert tokens.token() == "at last"
