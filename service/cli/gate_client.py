"""Asks a running service over HTTP, above all its gate; a refusal becomes an error with the service's own text."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final

import msgspec

from models.structs import Prepared
from service.cli.problem_text import refusal

PAGE: Final = 500
"""Decisions per request: the most one answer may hold."""

TRIES: Final = 8
"""Times a change is tried while the gate itself decides in between; in mode continuous it does so each second."""

PATIENCE: Final = 30.0
"""Seconds an answer may take: a promotion loads and examines a version first."""


class GateTrouble(Exception):
    """The service did not carry out a request. The message is for the user."""


class _Page(msgspec.Struct, metaclass=Prepared):
    decisions: list[msgspec.Raw]
    next: str | None = None


class GateClient:
    """Plain HTTP against one service. Every method raises GateTrouble."""

    def __init__(self, url: str, key: str = "") -> None:
        if not url.startswith(("http://", "https://")):
            raise GateTrouble(f"{url!r} is not the address of a service: write it as http://HOST:PORT")
        self._url, self._key = url.rstrip("/"), key

    def status(self) -> dict[str, Any]:
        """GET /gate."""
        found: dict[str, Any] = json.loads(self._ask("GET", "/gate"))
        return found

    def explanation(self, version: str) -> dict[str, Any]:
        """GET /gate/explain. `version`: an id or a sequence number, "" for the challenger."""
        asked = f"?{urllib.parse.urlencode({'version': version})}" if version else ""
        found: dict[str, Any] = json.loads(self._ask("GET", f"/gate/explain{asked}"))
        return found

    def quarantines(self) -> dict[str, Any]:
        """GET /gate/quarantine."""
        found: dict[str, Any] = json.loads(self._ask("GET", "/gate/quarantine"))
        return found

    def ask(self, method: str, path: str) -> dict[str, Any]:
        """The document that the service answers to any request without a body."""
        return self._json(method, path)

    def experiments(self) -> dict[str, Any]:
        """GET /experiments."""
        return self._json("GET", "/experiments")

    def experiment(self, name: str, segment: str = "") -> dict[str, Any]:
        """GET /experiments/NAME. `segment`: of users, "" for all."""
        asked = f"?{urllib.parse.urlencode({'segment': segment})}" if segment else ""
        return self._json("GET", _experiment(name) + asked)

    def start_experiment(self, body: dict[str, Any]) -> dict[str, Any]:
        """POST /experiments."""
        return self._json("POST", "/experiments", body)

    def stop_experiment(self, name: str, reason: str) -> dict[str, Any]:
        """POST /experiments/NAME/stop."""
        return self._json("POST", f"{_experiment(name)}/stop", {"reason": reason})

    def delete_experiment(self, name: str) -> dict[str, Any]:
        """DELETE /experiments/NAME."""
        return self._json("DELETE", _experiment(name))

    def _json(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._ask(method, path, body))
        return found

    def decisions(self) -> Iterator[bytes]:
        """Every audit record that is kept, newest first, as stored."""
        before = ""
        while True:
            path = f"/gate/decisions?limit={PAGE}" + (f"&before={before}" if before else "")
            page = msgspec.json.decode(self._ask("GET", path), type=_Page)
            yield from map(bytes, page.decisions)
            if page.next is None:
                return
            before = page.next

    def change(self, verb: str, reason: str, revision: int | None, **more: Any) -> dict[str, Any]:
        """POST /gate/VERB.

        Args:
            verb: The last part of the path.
            reason: Why; it stays in the audit.
            revision: The revision that the gate must be at. None: the current one, read again when the gate was faster.
            more: Further fields of the body; those that are None are left out.
        """
        for _ in range(TRIES):
            current = self.status()["revision"] if revision is None else revision
            body = {"reason": reason, "revision": current, **{k: v for k, v in more.items() if v is not None}}
            try:
                found: dict[str, Any] = json.loads(self._ask("POST", f"/gate/{verb}", body))
            except _Conflict as conflict:
                if revision is not None:
                    raise GateTrouble(str(conflict)) from None
            else:
                return found
        raise GateTrouble(f"the gate decided something between each of {TRIES} looks and requests: try again")

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self._url + path, data, headers, method=method)  # noqa: S310 - http alone
        if self._key:
            request.add_header("X-API-Key", self._key)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310 - http alone
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            raise _refusal(error.code, error.read()) from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise GateTrouble(
                f"no service answers at {self._url} ({reason}): is it running? Name another with --url"
            ) from None


def _experiment(name: str) -> str:
    return f"/experiments/{urllib.parse.quote(name, safe='')}"


class _Conflict(GateTrouble):
    pass


def _refusal(status: int, body: bytes) -> GateTrouble:
    """The problem document in one line: what happened, what to do."""
    text = refusal(status, body)
    return _Conflict(text) if status == HTTPStatus.CONFLICT else GateTrouble(text)


__all__ = ["GateClient", "GateTrouble"]
