"""In: shoppers' browsers, and a running Sluicegate. Out: a small web shop that shows and follows recommendations.

What the server knows (a purchase) it posts from the server, with its secret key. What only the page knows (what was
looked at) the page sends by itself with `navigator.sendBeacon` and a public key that can do nothing else. The shop goes
on selling while Sluicegate is away: events wait in a bounded queue, and the page then shows best sellers.

    SLUICEGATE=http://127.0.0.1:8000 SHOP_KEY=... PUBLIC_KEY=... python examples/webshop/shop.py --port 8080
"""

from __future__ import annotations

import argparse
import html
import json
import os
import queue
import secrets
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

HERE = Path(__file__).resolve().parent
CATALOGUE: dict[str, dict[str, Any]] = json.loads((HERE / "catalogue.json").read_text())
BEST_SELLERS = list(CATALOGUE)[:4]
WAITING = 1_000  # events that wait while Sluicegate is away; beyond it the oldest purchase matters less than the shop
PATIENCE = 0.3  # seconds a page waits for recommendations


@dataclass
class Sluicegate:
    """The calls that a shop's server makes; events go out on a thread of their own."""

    address: str
    key: str = ""
    waiting: queue.Queue[dict[str, Any]] = field(default_factory=lambda: queue.Queue(WAITING))
    dropped: int = 0

    def start(self) -> None:
        """Begin to post what is put into the queue."""
        threading.Thread(target=self._post_for_ever, daemon=True).start()

    def happened(self, event_type: str, user: str, item: str, **more: Any) -> None:
        """An event for the topic. The event_id makes it harmless to post it twice."""
        event = {"event_type": event_type, "user_id": user, "item_id": item, "timestamp": time.time(), **more}
        try:
            self.waiting.put_nowait({"event_id": secrets.token_hex(8), **event})
        except queue.Full:
            self.dropped += 1

    def describe(self, item: str, facts: dict[str, Any]) -> None:
        """Say what an item is."""
        self.call("PUT", f"/items/{quote(item, safe='')}", facts)

    def recommended(self, user: str, wanted: int) -> list[str]:
        """Items for a visitor; best sellers when Sluicegate is away."""
        try:
            answer = self.call("GET", f"/recommend/{quote(user, safe='')}?n={wanted}", timeout=PATIENCE)
        except OSError:
            return BEST_SELLERS
        return [item["item_id"] for item in answer["items"] if item["item_id"] in CATALOGUE] or BEST_SELLERS

    def call(self, method: str, path: str, body: Any = None, timeout: float = 5.0) -> Any:
        """One request. Raises OSError (urllib's errors are) when it is not answered well."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, method=method)
        request.add_header("Content-Type", "application/json")
        if self.key:
            request.add_header("X-API-Key", self.key)
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return json.loads(answer.read())

    def _post_for_ever(self) -> None:
        while True:
            event = self.waiting.get()
            while not self._post(event):
                time.sleep(1.0)

    def _post(self, event: dict[str, Any]) -> bool:
        """Whether the matter is closed: taken, or refused for good."""
        try:
            self.call("POST", "/events", event)
        except urllib.error.HTTPError as error:
            again = error.code in {429, 503}  # too often, or Kafka is away: the same event later
            if not again:
                print(f"event refused ({error.code}): {error.read().decode(errors='replace')}", flush=True)
            return not again
        except OSError:
            return False
        return True


def shop(gate: Sluicegate, public: str) -> type[BaseHTTPRequestHandler]:
    """The pages: `/` and `/item/ID`, `POST /buy`, and the script."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """A page."""
            path = urlsplit(self.path).path
            item = path.removeprefix("/item/")
            if path == "/shop.js":
                self._send((HERE / "shop.js").read_bytes(), "text/javascript")
            elif path == "/" or item in CATALOGUE:
                self._page(item if item in CATALOGUE else None)
            else:
                self._send(b"no such page", "text/plain", 404)

        def do_POST(self) -> None:
            """A purchase: known here, and so sent from here."""
            form = parse_qs(self.rfile.read(min(int(self.headers.get("Content-Length", 0)), 10_000)).decode())
            item = form.get("item", [""])[0]
            if urlsplit(self.path).path != "/buy" or item not in CATALOGUE:
                self._send(b"no such item", "text/plain", 404)
                return
            gate.happened("purchase", self._visitor(), item, price=CATALOGUE[item]["price"], quantity=1)
            self._send(b"", "text/plain", 303, Location=f"/item/{item}")

        def _visitor(self) -> str:
            cookie = SimpleCookie(self.headers.get("Cookie", "")).get("visitor")
            return cookie.value if cookie is not None else secrets.token_urlsafe(12)

        def _page(self, item: str | None) -> None:
            visitor = self._visitor()
            shown = [other for other in gate.recommended(visitor, 4) if other != item]
            body = page(item, shown, {"endpoint": f"{gate.address}/events", "key": public, "visitor": visitor})
            cookie = f"visitor={visitor}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax"
            self._send(body.encode(), "text/html; charset=utf-8", **{"Set-Cookie": cookie})

        def _send(self, body: bytes, kind: str, status: int = 200, **headers: str) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler


def page(item: str | None, shown: list[str], settings: dict[str, str]) -> str:
    """A page as HTML; everything that is not written here is escaped."""
    facts = CATALOGUE.get(item or "", {})
    product = (
        f"<h1>{html.escape(facts['title'])}</h1><p>{facts['price']:.2f} EUR</p>"
        f'<button id="heart" data-item="{html.escape(item or "")}">Remember</button>'
        f'<form method="post" action="/buy"><input type="hidden" name="item" value="{html.escape(item or "")}">'
        "<button>Buy</button></form>"
        if item
        else "<h1>A small shop</h1>"
    )
    links = "".join(
        f'<li><a href="/item/{html.escape(quote(other))}">{html.escape(CATALOGUE[other]["title"])}</a></li>'
        for other in shown
    )
    data = "".join(f' data-{name}="{html.escape(value)}"' for name, value in settings.items())
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Shop</title><link rel="icon" href="data:,">'
        f'<body{data} data-item="{html.escape(item or "")}">{product}<h2>For you</h2><ul id="shown">{links}</ul>'
        '<p><a href="/">All</a></p><script src="/shop.js"></script></body></html>'
    )


def main() -> None:
    """Serve until Ctrl-C."""
    words = argparse.ArgumentParser(description=main.__doc__)
    words.add_argument("--host", default="127.0.0.1", help="address to listen on")
    words.add_argument("--port", type=int, default=8080, help="port to listen on; 0 for a free one")
    options = words.parse_args()
    gate = Sluicegate(os.environ.get("SLUICEGATE", "http://127.0.0.1:8000"), os.environ.get("SHOP_KEY", ""))
    gate.start()
    try:
        for item, facts in CATALOGUE.items():
            gate.describe(item, facts)
    except OSError as error:
        print(f"items are not described: Sluicegate at {gate.address} does not take them ({error})", flush=True)
    server = ThreadingHTTPServer((options.host, options.port), shop(gate, os.environ.get("PUBLIC_KEY", "")))
    print(f"http://{options.host}:{server.server_port}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


if __name__ == "__main__":
    main()
