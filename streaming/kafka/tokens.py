"""Reads or fetches the token of an OAUTHBEARER login, and again when it is due.

A broker may end a login after some minutes (KIP-368); the Kafka library then asks for a token again.
"""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from streaming.kafka.errors import BrokerAway, NotAllowed, UnusableFile
from streaming.settings import KafkaSettings

PATIENCE: Final = 5.0
"""Seconds the token endpoint has to answer: the thread that waits is the one that talks to the brokers."""

SPENT: Final = 0.8
"""Share of a token's life after which the next is fetched: one that expires on its way to the broker is refused."""

SHORTEST: Final = 60.0
"""Seconds a token counts as valid when its endpoint does not say; RFC 6749 only recommends that it does."""

ANSWER: Final = 1 << 20
"""Bytes of an answer that are read; tokens have some thousands."""


class Tokens:
    """A token provider for the Kafka library. Thread-safe; one token serves all connections."""

    def __init__(self, settings: KafkaSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings, self._clock = settings, clock
        self._lock = threading.Lock()
        self._token, self._until = "", float("-inf")

    def token(self) -> str:
        """The token.

        Raises:
            UnusableFile: The token file, or another file that a setting names, cannot be used.
            NotAllowed: The endpoint refuses us.
            BrokerAway: The endpoint does not answer, or gives no token.
        """
        if self._settings.token_file is not None:
            return _from_file(self._settings.token_file)
        with self._lock:
            if self._clock() >= self._until:
                self._token, life = _fetch(self._settings)
                self._until = self._clock() + life * SPENT
            return self._token

    def extensions(self) -> dict[str, str]:
        """SASL extensions to send: none."""
        return {}


def _from_file(path: Path) -> str:
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UnusableFile("kafka.token_file", path, error) from error
    if not token or not token.isascii() or not token.isprintable():
        raise UnusableFile("kafka.token_file", path, ValueError("it holds no token: write one line, the token alone"))
    return token


def _fetch(settings: KafkaSettings) -> tuple[str, float]:
    """Fetch (token, seconds it lives) by the client credentials grant (RFC 6749, section 4.4)."""
    assert settings.token_url is not None
    request = urllib.request.Request(settings.token_url, _form(settings), method="POST")  # noqa: S310 - settings check the scheme
    request.add_header("Authorization", f"Basic {_basic(settings)}")
    request.add_header("Accept", "application/json")
    try:
        # The request carries our secret, so redirects are not followed.
        opener = urllib.request.build_opener(_NoRedirects, urllib.request.HTTPSHandler(context=_trust(settings)))
        with opener.open(request, timeout=PATIENCE) as answer:
            return _parsed(answer.read(ANSWER), settings.token_url)
    except urllib.error.HTTPError as error:
        with error:
            if error.code in {400, 401, 403}:
                raise NotAllowed(
                    f"the token endpoint {settings.token_url} refuses us (HTTP {error.code}): check kafka.username (id "
                    "of the client), its password, and kafka.token_scope"
                ) from error
            raise _away(settings.token_url, f"HTTP {error.code}") from error
    except OSError as error:
        raise _away(settings.token_url, str(error)) from error


def _form(settings: KafkaSettings) -> bytes:
    form = {"grant_type": "client_credentials"}
    if settings.token_scope is not None:
        form["scope"] = settings.token_scope
    return urllib.parse.urlencode(form).encode()


def _basic(settings: KafkaSettings) -> str:
    """Client id and secret, each form-encoded before they are joined (RFC 6749, section 2.3.1)."""
    pair = ":".join(urllib.parse.quote_plus(part or "") for part in (settings.username, settings.secret()))
    return base64.b64encode(pair.encode()).decode()


def _trust(settings: KafkaSettings) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=settings.token_cafile)


def _parsed(raw: bytes, url: str) -> tuple[str, float]:
    try:
        answer = json.loads(raw)
        return str(answer["access_token"]), max(1.0, float(answer.get("expires_in", SHORTEST)))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _away(url, "its answer holds no access_token") from error


def _away(url: str, why: str) -> BrokerAway:
    return BrokerAway(f"the token endpoint {url} gives no token ({why}): is kafka.token_url right?", "connection")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow none; urllib then raises the answer as an error."""
        return
