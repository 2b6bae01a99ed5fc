"""A schema registry over HTTP with Confluent's documented routes, for tests: it keeps schemas in memory.

https://docs.confluent.io/platform/current/schema-registry/develop/api.html: POST /subjects/SUBJECT/versions registers,
GET /schemas/ids/ID, GET /subjects/SUBJECT/versions/VERSION and .../latest answer, with its error codes.
"""

from __future__ import annotations

import base64
import http.server
import json
import re
import threading
from types import TracebackType
from typing import Any

REGISTER = re.compile(r"/subjects/([^/]+)/versions")
BY_ID = re.compile(r"/schemas/ids/(\d+)")
BY_VERSION = re.compile(r"/subjects/([^/]+)/versions/(\d+|latest)")


class Registry:
    """A registry on a port of this machine; `close` and `open` make it go away and come back on the same port."""

    def __init__(self, login: tuple[str, str] | None = None) -> None:
        self.login = login
        self.schemas: list[dict[str, Any]] = []
        self.subjects: dict[str, list[int]] = {}
        self.asked: list[str] = []
        self._lock = threading.Lock()
        self._server: http.server.ThreadingHTTPServer | None = None
        self.port = 0
        self.open()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def open(self) -> None:
        """Listen."""
        registry = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                registry.answer(self, "GET")

            def do_POST(self) -> None:
                registry.answer(self, "POST")

            def log_message(self, *_: object) -> None:
                """Keep the test's output clean."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> Registry:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def register(
        self, subject: str, schema: str, kind: str = "AVRO", references: list[dict[str, Any]] | None = None
    ) -> int:
        """As POST /subjects/SUBJECT/versions does: the id."""
        entry = {"schema": schema, "schemaType": kind, "references": references or []}
        with self._lock:
            if entry not in self.schemas:
                self.schemas.append(entry)
            number = self.schemas.index(entry) + 1
            versions = self.subjects.setdefault(subject, [])
            if number not in versions:
                versions.append(number)
        return number

    def answer(self, request: http.server.BaseHTTPRequestHandler, verb: str) -> None:
        status, body = self._answer(request, verb)
        raw = json.dumps(body).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
        request.send_header("Content-Length", str(len(raw)))
        request.end_headers()
        request.wfile.write(raw)

    def _answer(self, request: http.server.BaseHTTPRequestHandler, verb: str) -> tuple[int, dict[str, Any]]:
        self.asked.append(request.path)
        if self.login is not None:
            expected = f"Basic {base64.b64encode(':'.join(self.login).encode()).decode()}"
            if request.headers.get("Authorization") != expected:
                return 401, {"error_code": 401, "message": "Unauthorized"}
        if verb == "POST" and (found := REGISTER.fullmatch(request.path)):
            sent = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
            kind = sent.get("schemaType", "AVRO")
            return 200, {"id": self.register(found[1], sent["schema"], kind, sent.get("references"))}
        if found := BY_ID.fullmatch(request.path):
            number = int(found[1])
            if not 1 <= number <= len(self.schemas):
                return 404, {"error_code": 40403, "message": f"Schema {number} not found"}
            return 200, _told(self.schemas[number - 1])
        if found := BY_VERSION.fullmatch(request.path):
            versions = self.subjects.get(found[1])
            if versions is None:
                return 404, {"error_code": 40401, "message": f"Subject '{found[1]}' not found."}
            version = len(versions) if found[2] == "latest" else int(found[2])
            if not 1 <= version <= len(versions):
                return 404, {"error_code": 40402, "message": f"Version {version} not found."}
            number = versions[version - 1]
            return 200, {"subject": found[1], "version": version, "id": number, **_told(self.schemas[number - 1])}
        return 404, {"error_code": 404, "message": "HTTP 404 Not Found"}


def _told(entry: dict[str, Any]) -> dict[str, Any]:
    """The registry leaves out the type AVRO and empty references."""
    return {
        name: value
        for name, value in entry.items()
        if name == "schema" or (name == "schemaType" and value != "AVRO") or (name == "references" and value)
    }
