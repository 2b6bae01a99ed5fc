"""Serves HTML pages of a made-up shop, with the bytes that a test gives, from an origin of its own."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class ShopPages:
    """The pages by path, and the origin they are at."""

    def __init__(self) -> None:
        self.pages: dict[str, str] = {}
        self.origin = ""


@contextlib.contextmanager
def shop_pages() -> Iterator[ShopPages]:
    """Serves pages while the block runs; a test may change them meanwhile."""
    made = ShopPages()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = made.pages.get(self.path.partition("?")[0], "").encode()
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.origin = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
