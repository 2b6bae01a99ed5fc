"""Requests that no good client sends: foreign pages, broken uploads, odd bodies and addresses; over real HTTP."""

from __future__ import annotations

import gzip
import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from urllib.parse import urljoin

import httpx
import pytest

from service.app import description
from service.http.auth import digest
from streaming.kafka.topics import ensure_topics
from streaming.settings.loading import Settings
from tests.conftest import eventually
from tests.integration.service.test_http import event, in_topic, problem
from tests.support.processes.serving import PATIENCE, Served, changed, connected, service

LIMIT = 64 << 10


@contextmanager
def keyless(settings: Settings) -> Iterator[Served]:
    """A service without keys whose topics exist."""
    ensure_topics(settings)
    with connected(changed(settings, service={"max_body_bytes": LIMIT})) as running:
        yield running


@pytest.fixture
def served(settings: Settings) -> Iterator[Served]:
    """A service of the test's own."""
    with keyless(settings) as running:
        yield running


@pytest.fixture(scope="module")
def shared(shared_settings: Settings) -> Iterator[Served]:
    """A service for all tests that ask for it: each looks at its own answers, or counts what no other one sends."""
    with keyless(shared_settings) as running:
        yield running


def raw(served: Served, request: bytes) -> bytes:
    """What the service answers to these bytes, up to the end of the connection."""
    with socket.create_connection(("127.0.0.1", int(served.base.rpartition(":")[2])), timeout=PATIENCE) as link:
        link.sendall(request)
        answer = b""
        while part := link.recv(65_536):
            answer += part
        return answer


def counted(served: Served, **labels: str) -> float:
    return served.context.telemetry.registry.get_sample_value("sluicegate_http_requests_total", labels) or 0.0


def test_without_keys_a_foreign_page_reads_and_writes_nothing(shared: Served) -> None:
    port = shared.base.rpartition(":")[2]
    own = f"http://127.0.0.1:{port}"
    refused: list[dict[str, str]] = [
        {"host": "evil.example"},
        {"host": f"evil.example:{port}"},
        {"host": "127.0.0.1.evil.example"},
        {"host": "localhost.evil.example"},
        {"host": "192.168.1.7:8000"},
        {"host": "[::1"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": f"https://127.0.0.1:{int(port) - 1}"},
        {"origin": f"{own}.evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example", "sec-fetch-site": "same-origin"},
    ]
    for headers in refused:
        problem(shared.get("/model", headers=headers), 403)
        problem(shared.post("/events", json=event(), headers=headers), 403)
        problem(shared.post("/gate/freeze", json={"reason": "r", "revision": 0}, headers=headers), 403)
    accepted: list[dict[str, str]] = [
        {},
        {"host": "localhost"},
        {"host": f"LOCALHOST:{port}"},
        {"host": f"[::1]:{port}"},
        {"origin": own},
        {"origin": own, "sec-fetch-site": "same-origin"},
        {"origin": "http://127.0.0.1:1", "sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
    ]
    for headers in accepted:
        assert shared.get("/model", headers=headers).status_code == 200, headers
        assert shared.post("/events", json=event(), headers=headers).status_code == 202, headers
    assert shared.get("/livez", headers={"host": "10.0.0.1"}).status_code == 200


def test_without_keys_only_json_is_taken(shared: Served) -> None:
    body = json.dumps(event())
    for kind in ("text/plain", "text/plain;charset=UTF-8", "application/x-www-form-urlencoded", "multipart/form-data"):
        problem(shared.post("/events", content=body, headers={"content-type": kind}), 415)
        problem(shared.http.put("/items/tea", content=b"{}", headers={"content-type": kind}), 415)
    for kind in ("application/json", "Application/JSON; charset=utf-8", "application/x-ndjson"):
        assert shared.post("/events", content=body, headers={"content-type": kind}).status_code == 202


def test_with_a_key_the_headers_of_pages_do_not_matter(settings: Settings) -> None:
    with service(changed(settings, service={"keys": (f"admin:{digest('k')}", f"read:{digest('r')}")})) as served:
        headers = {"x-api-key": "r", "host": "reco.shop.example", "origin": "https://shop.example"}
        assert served.get("/model", headers=headers).status_code == 200


def test_a_body_of_another_kind_or_coding_is_415_and_says_what_is_read(shared: Served) -> None:
    form = shared.post(
        "/events", content=b"event_type=click", headers={"content-type": "application/x-www-form-urlencoded"}
    )
    assert "application/json" in problem(form, 415)["next"]
    for path in ("/recommend", "/gate/thaw"):
        problem(shared.post(path, content=b"<a/>", headers={"content-type": "application/xml"}), 415)
    problem(shared.post("/events", content=b"{}", headers={"content-type": "application/json; charset=latin-1"}), 415)
    for coding in ("br", "deflate", "zstd", "gzip, gzip"):
        headers = {"content-type": "application/json", "content-encoding": coding}
        answer = shared.post("/events", content=b"x", headers=headers)
        assert coding in problem(answer, 415)["detail"]
        assert answer.headers["accept-encoding"] == "gzip"


def test_a_gzip_body_is_read_within_the_limit(served: Served, settings: Settings) -> None:
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    many = [event(event_id=f"g{number}") for number in range(300)]
    body = gzip.compress(json.dumps(many).encode())
    assert served.post("/events", content=body, headers=headers).json()["accepted"] == 300
    pieces = (body[start : start + 100] for start in range(0, len(body), 100))
    assert served.post("/events", content=pieces, headers=headers).json()["accepted"] == 300
    assert len(in_topic(settings, "events", 600)) == 600
    bomb = gzip.compress(b" " * (200 * LIMIT))
    assert len(bomb) < LIMIT
    problem(served.post("/events", content=bomb, headers=headers), 413)
    exact = json.dumps(event()).encode().ljust(LIMIT)
    assert served.post("/events", content=gzip.compress(exact), headers=headers).status_code == 202
    problem(served.post("/events", content=gzip.compress(exact + b" "), headers=headers), 413)
    for broken in (b"{}", body[:-9], body + b"more", body[:40] + b"\0" * 40, gzip.compress(b"") * 3):
        found = problem(served.post("/events", content=broken, headers=headers), 422)
        assert found["errors"][0]["path"] == "$"


def test_head_answers_like_get_without_a_body(shared: Served) -> None:
    for path in ("/livez", "/readyz", "/", "/docs", "/metrics", "/model", "/popular?n=3", "/static/page.css", "/no"):
        got, head = shared.get(path), shared.http.head(path)
        assert (head.status_code, head.content) == (got.status_code, b""), path
        assert head.headers["content-type"] == got.headers["content-type"]
        assert "x-request-id" in head.headers
    assert shared.http.head("/stream").status_code == 200
    eventually(lambda: shared.sample("sluicegate_http_streams") == 0)
    eventually(lambda: counted(shared, method="HEAD", route="/livez", code="200") == 1)
    assert shared.http.head("/events").status_code == 405
    assert shared.post("/popular").headers["allow"] == "GET, HEAD"
    answer = raw(shared, b"HEAD /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert answer.endswith(b"\r\n\r\n")


def test_an_upload_that_is_broken_off_is_no_error_of_ours(shared: Served, capfd: pytest.CaptureFixture[str]) -> None:
    head = b"Host: localhost\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n"
    for line in (b"POST /events", b"POST /recommend", b"PUT /items/tea", b"POST /gate/freeze"):
        with socket.create_connection(("127.0.0.1", int(shared.base.rpartition(":")[2]))) as link:
            link.sendall(line + b" HTTP/1.1\r\n" + head + b'{"event_type"')
            eventually(lambda: shared.sample("sluicegate_http_requests_in_progress") > 0)
        eventually(lambda: shared.sample("sluicegate_http_requests_in_progress") == 0)
    # Nobody waits for these answers: they are counted just after they are in progress no more.
    for method, route in (("POST", "/events"), ("PUT", "/items/{item_id}")):
        eventually(lambda method=method, route=route: counted(shared, method=method, route=route, code="499") == 1)
    assert "request failed" not in capfd.readouterr().err


LONG = "x" * 257
BODIES: dict[tuple[str, str], object] = {
    ("PUT", "/users/{user_id}"): {"attributes": {"plan": "pro"}},
    ("POST", "/experiments/{experiment}/stop"): {"reason": "a test"},
    ("POST", "/gate/quarantine/{quarantine}/drop"): {"reason": "a test", "revision": 0},
    ("POST", "/gate/quarantine/{quarantine}/replay"): {"reason": "a test", "revision": 0},
}
"""Bodies that routes with an id ask for, where {} is not enough."""


def with_ids() -> list[tuple[str, str]]:
    """Method and path of every route that has an id in its path, as the description of the API has them."""
    found = [(method.upper(), path) for path, methods in description()["paths"].items() for method in methods]
    return [(method, path) for method, path in found if "{" in path and not path.startswith("/static")]


def test_every_route_with_an_id_takes_one_with_a_slash_and_refuses_what_is_none(served: Served) -> None:
    routes = with_ids()
    assert {("PUT", "/users/{user_id}"), ("GET", "/items/{item_id}/bought-together")} <= set(routes)
    for method, route in routes:
        body = BODIES.get((method, route), None if method == "GET" else {})

        def ask(encoded: str, method: str = method, route: str = route, body: object = body) -> httpx.Response:
            return served.http.request(method, re.sub(r"\{\w+\}", encoded, route), json=body)

        (name,) = re.findall(r"\{(\w+)\}", route)
        assert problem(ask(LONG), 422)["errors"][0]["path"] == f"path.{name}", (method, route)
        for wrong in ("a%FFb", "%C3%28", "%ED%A0%80"):
            problem(ask(wrong), 422)
        found = ask("tea%2Fgreen%2f50%252F")
        assert found.status_code != 422 or name not in {"item_id", "user_id"}, (method, route)
        if found.status_code != 422:
            labels = {"method": method, "route": route, "code": str(found.status_code)}
            eventually(lambda labels=labels: counted(served, **labels) == 1)
    for method, path in (("GET", "/recommend?user_id="), ("DELETE", "/users?user_id=")):
        for wrong in (LONG, "a%FFb", "%C3%28", "%ED%A0%80"):
            problem(served.http.request(method, path + wrong), 422)


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("/recommend/ann?n=null", "query.n"),
        ("/recommend/ann?price_min=null", "query.price_min"),
        ("/popular?price_max=NULL", "query.price_max"),
        ("/popular?exclude=" + ",".join(["a"] * 1_001), "query.exclude"),
        ("/popular?" + "&".join(f"tags_any=t{number}" for number in range(2_001)), "query"),
        ("/items?limit=null", "query.limit"),
        ("/popular?category=%FF", "query"),
        ("/items?category=%FF", "query"),
    ],
)
def test_a_query_that_does_not_fit_is_422_and_names_the_place(shared: Served, path: str, where: str) -> None:
    assert problem(shared.get(path), 422)["errors"][0]["path"] == where


def test_a_parameter_that_a_route_does_not_know_is_422_but_for_probes_metrics_and_the_stream(shared: Served) -> None:
    for path, methods in description()["paths"].items():
        for method in methods:
            if path == "/stream":
                continue
            body = None if method == "get" else b"{}"
            where, headers = re.sub(r"{\w+}", "x", path) + "?nosuch=1", {"content-type": "application/json"}
            answer = shared.http.request(method, where, content=body, headers=headers)
            if path in {"/livez", "/readyz", "/metrics"}:
                assert answer.status_code in {200, 503}, where
            else:
                assert problem(answer, 422)["errors"][0]["path"] == "query.nosuch", (method, where)
    with shared.http.stream("GET", "/stream?_=1") as stream:
        assert stream.status_code == 200


def test_bytes_that_are_no_utf_8_are_422_in_every_body(shared: Served) -> None:
    headers = {"content-type": "application/json"}
    asks: list[tuple[str, str, bytes]] = [
        ("POST", "/recommend", b'{"user_id":"a\xff"}'),
        ("POST", "/events", json.dumps(event(user_id="?")).encode().replace(b"?", b"\xff")),
        ("PUT", "/items/tea", b'{"title":"\xff"}'),
        ("POST", "/gate/freeze", b'{"reason":"\xff","revision":0}'),
        ("POST", "/gate/quarantine", b'{"reason":"\xff","revision":0}'),
        ("POST", "/experiments", b'{"name":"\xff"}'),
    ]
    for method, path, body in asks:
        problem(shared.http.request(method, path, content=body, headers=headers), 422)


def test_ids_with_a_slash_are_one_part_of_the_path(served: Served, settings: Settings) -> None:
    odd, encoded = "tea/green/50%2F", "tea%2Fgreen%2f50%252F"
    assert served.http.put(f"/items/{encoded}", json={"price": 3}).json()["item_id"] == odd
    assert served.http.delete(f"/items/{encoded}").json()["item_id"] == odd
    assert [key for key, _ in in_topic(settings, "items", 2)] == [odd.encode()] * 2
    assert served.get(f"/users/{encoded}").json()["user_id"] == odd
    assert served.get(f"/recommend/{encoded}?n=1").json()["user_id"] == odd
    assert repr(odd) in problem(served.get(f"/items/{encoded}"), 404)["detail"]
    assert repr(odd) in problem(served.get(f"/items/{encoded}/similar"), 404)["detail"]
    erased = served.http.delete(f"/users/{encoded}")
    assert erased.status_code == 202
    assert in_topic(settings, "control", 1)[0][1] is not None
    assert odd in (in_topic(settings, "control", 1)[0][1] or b"").decode()
    problem(served.get("/items/a/b"), 404)
    labels = {"method": "PUT", "route": "/items/{item_id}", "code": "202"}
    eventually(lambda: counted(served, **labels) == 1)


def test_only_configured_proxies_say_who_asks(settings: Settings) -> None:
    def limited(served: Served, *addresses: str) -> list[int]:
        """Statuses of requests that each claim to come from another address."""
        return [
            served.post("/events", json={}, headers={"x-forwarded-for": address}).status_code for address in addresses
        ]

    many = [f"198.51.100.{number}" for number in range(6)]
    with service(changed(settings, service={"rate_limit": 1.0})) as served:
        assert 429 in limited(served, *many)
    proxies = {"rate_limit": 1.0, "proxies": ("127.0.0.0/8", "10.1.2.3")}
    with service(changed(settings, service=proxies)) as served:
        assert 429 not in limited(served, *many)
        # What a client claims stands left of the address that the nearest proxy saw.
        assert 429 in limited(served, *(f"{claimed}, 203.0.113.9, 10.1.2.3" for claimed in many))


@pytest.mark.parametrize("removed", [True, False], ids=["the proxy removes it", "the proxy leaves it"])
def test_behind_a_path_of_a_proxy_pages_documents_and_links_work(settings: Settings, *, removed: bool) -> None:
    def inner(address: str) -> str:
        return address.removeprefix("/reco") if removed else address

    with service(changed(settings, service={"root_path": "/reco"})) as served:
        waiting, seen = ["/reco/", "/reco/docs", "/reco/docs/problems"], set[str]()
        while waiting:
            address = waiting.pop()
            seen.add(address)
            answer = served.get(inner(address))
            assert answer.status_code in {200, 503} if address == "/reco/readyz" else answer.status_code == 200, address
            if answer.headers["content-type"].startswith("text/html"):
                found = re.findall(r'(?:src|href)="([^"#{]+)"', answer.text)  # what a template leaves open is no link
                links = [urljoin(address, link) for link in found if not link.startswith("data:")]
                waiting += [link for link in links if link not in seen]
        assert {"/reco/static/page/main.js", "/reco/static/page.css", "/reco/openapi.json", "/reco/metrics"} <= seen
        script = served.get(inner("/reco/static/docs.js")).text
        assert urljoin("/reco/docs", re.findall(r'url: "([^"]+)"', script)[0]) == "/reco/openapi.json"
        assert served.get(inner("/reco/openapi.json")).json()["servers"] == [{"url": "/reco"}]
        assert "unsafe-inline" in served.get(inner("/reco/docs")).headers["content-security-policy"]
        missing = served.get(inner("/reco/items/tea%2Fgreen")).json()
        assert missing["type"] == "/reco/docs/problems#not-found"
        assert missing["instance"] == "/reco/items/tea%2Fgreen"
        assert "'tea/green'" in missing["detail"]


def test_the_scripts_of_the_page_ask_relative_to_it() -> None:
    folder = files("service").joinpath("static", "page")
    text = "".join(entry.read_text(encoding="utf-8") for entry in folder.iterdir() if entry.name.endswith(".js"))
    assert re.findall(r"fetch\(([^,]+),", text) == ["`.${path}`"]
    assert not re.search(r"""(?:location|href|src|from|import)\s*[=(]?\s*["'`]/""", text)
