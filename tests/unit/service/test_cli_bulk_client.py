"""An answer that breaks off costs no user: whole lines are kept, the others are asked for again."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from service.cli.bulk_client import BulkBusy, BulkClient, BulkTrouble
from service.commands import export


class Service(BaseHTTPRequestHandler):
    """Answers two users and a half, then everybody; nobody at all, and with a refusal, where a user is named so."""

    protocol_version = "HTTP/1.1"
    asked: list[list[str]]

    def do_POST(self) -> None:
        users = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["user_ids"]
        type(self).asked.append(users)
        if "refused" in users:
            body = json.dumps({"detail": "No.", "next": "Ask for less."}).encode()
            self.send_response(422)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        lines = b"".join(json.dumps({"user_id": user, "items": []}).encode() + b"\n" for user in users)
        if len(type(self).asked) == 1:
            kept = lines[: lines.index(b"\n", lines.index(b"\n") + 1) + 6]
            self.wfile.write(f"{len(kept):x}\r\n".encode() + kept + b"\r\n")
            self.close_connection = True
            return
        self.wfile.write(f"{len(lines):x}\r\n".encode() + lines + b"\r\n0\r\n\r\n")

    def log_message(self, *_: object) -> None:
        """Write nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    Service.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_answer_that_breaks_off_is_completed(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    users = ["a", "b", "c", "d"]
    lines = export._answered(BulkClient(address), users, {})
    assert [json.loads(line)["user_id"] for line in lines] == users
    assert Service.asked == [users, ["c", "d"]]


def test_a_refusal_is_told_in_the_words_of_the_service_and_not_repeated(address: str) -> None:
    with pytest.raises(BulkTrouble, match=r"No\. Ask for less\.") as told:
        list(BulkClient(address).slates(["refused"], {}))
    assert not isinstance(told.value, BulkBusy)
    with pytest.raises(BulkTrouble, match="write it as http://HOST:PORT"):
        BulkClient("shop.example")
