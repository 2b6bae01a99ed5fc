"""Serves the learner's metrics and health on a port of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Log nothing: scrapes are not news."""


class MetricsServer:
    """Serves /metrics, /livez (200 while the process runs) and /readyz (200 while it learns or stands by).

    Args:
        registry: The metrics to serve.
        host: Address to listen on.
        port: Port to listen on; 0 chooses a free one, see `port`.
        ready: Returns what keeps the process from being ready, "" when nothing does.

    Raises:
        OSError: The port is taken.
    """

    def __init__(self, registry: CollectorRegistry, host: str, port: int, ready: Callable[[], str]) -> None:
        metrics = make_wsgi_app(registry)

        def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            path = environ.get("PATH_INFO", "")
            if path == "/metrics":
                body: Iterable[bytes] = metrics(environ, start)
                return body
            if path not in {"/livez", "/readyz"}:
                start("404 Not Found", [("Content-Type", "text/plain")])
                return [b"/metrics, /livez and /readyz are here\n"]
            trouble = "" if path == "/livez" else ready()
            start("503 Service Unavailable" if trouble else "200 OK", [("Content-Type", "text/plain")])
            return [f"{trouble or 'ok'}\n".encode()]

        self._server = make_server(host, port, app, _Server, _Quiet)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
