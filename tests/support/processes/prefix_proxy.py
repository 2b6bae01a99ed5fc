"""A reverse proxy that shows a service below a path and removes that path, as nginx does."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOP = {"connection", "transfer-encoding", "content-length"}


@contextlib.contextmanager
def below(prefix: str, address: str) -> Iterator[str]:
    """Show the service at `address` (http://HOST:PORT) below `prefix`; yields the proxy's own address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.startswith(f"{prefix}/"):
                self.send_error(404)
                return
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            link = http.client.HTTPConnection(address.removeprefix("http://"), timeout=30)
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
            with contextlib.closing(link), contextlib.suppress(ConnectionError):
                link.request(self.command, self.path.removeprefix(prefix), body or None, headers)
                answer = link.getresponse()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in HOP:
                        self.send_header(name, value)
                self.end_headers()
                while part := answer.read1(65_536):  # a stream has no end: piece by piece
                    self.wfile.write(part)
                    self.wfile.flush()

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False  # the page's stream may still be open

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10.0)


__all__ = ["below"]
