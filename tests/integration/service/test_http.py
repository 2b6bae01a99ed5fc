"""The API as a caller meets it: events in, problem documents, keys, limits, pages; over real HTTP."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest

from models.records import events, rejections
from service.gate import gatekeeper
from service.http.auth import ApiKeys, BadKeys, digest
from service.http.problems import TITLES
from service.routes import warming
from service.serving.catalogue import ItemCatalogue
from streaming.consumer.consumer import KafkaSource
from streaming.kafka.topics import ensure_topics
from streaming.settings.loading import Settings, load_settings
from tests.conftest import eventually
from tests.support.processes.serving import Served, changed, connected, service


@pytest.fixture
def served(settings: Settings) -> Iterator[Served]:
    """A service whose topics exist and whose producer is connected."""
    ensure_topics(settings)
    with connected(settings) as running:
        yield running


@pytest.fixture(scope="module")
def shared(shared_settings: Settings) -> Iterator[Served]:
    """The same for all tests that ask for it: none of them minds what the others sent."""
    ensure_topics(shared_settings)
    with connected(shared_settings) as running:
        yield running


def event(**more: Any) -> dict[str, Any]:
    return {"event_type": "click", "user_id": "ann", "item_id": "tea", "timestamp": time.time(), **more}


def in_topic(settings: Settings, role: Any, count: int) -> list[tuple[bytes, bytes | None]]:
    """(key, value) of the first `count` records of a topic."""
    source = KafkaSource(settings, [settings.topic(role)])
    try:
        source.assign({})
        found: list[tuple[bytes, bytes | None]] = []

        def enough() -> bool:
            for part in source.poll(0.2, 1000):
                found.extend((record.key, record.value) for record in part)
            return len(found) >= count

        eventually(enough)
        return found
    finally:
        source.close()


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The problem document of an answer, which must be complete."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == status
    for field in ("type", "title", "detail", "next"):
        assert document[field]
    assert document["type"].removeprefix("/docs/problems#") in TITLES
    return document


def test_one_event_a_list_and_ndjson_reach_the_topic(served: Served, settings: Settings) -> None:
    one = served.post("/events", json=event(event_id="1"))
    assert (one.status_code, one.json()["accepted"]) == (202, 1)
    listed = served.post("/events", json=[event(event_id="2"), event(event_id="3", user_id="bob")])
    assert [entry["outcome"] for entry in listed.json()["outcomes"]] == ["accepted", "accepted"]
    lines = (
        b"\n".join(httpx.Request("POST", "http://x", json=event(event_id=f"n{n}")).content for n in range(3)) + b"\n"
    )
    many = served.post("/events", content=lines, headers={"content-type": "application/x-ndjson"})
    assert many.json()["accepted"] == 3
    records = in_topic(settings, "events", 6)
    decoded = [events.decode(value, events.EventRules()) for _, value in records]
    assert {found.event_id for found in decoded if isinstance(found, events.Event)} == {"1", "2", "3", "n0", "n1", "n2"}
    assert {key for key, _ in records} == {b"ann", b"bob"}
    assert served.sample("sluicegate_events_accepted_total", outcome="accepted") == 6


def test_each_event_has_its_own_outcome(shared: Served) -> None:
    answer = shared.post("/events", json=[event(), event(user_id=7), event(event_type="stare"), event(price="x")])
    assert answer.status_code == 202
    outcomes = answer.json()["outcomes"]
    assert [entry["outcome"] for entry in outcomes] == ["accepted", "rejected", "rejected", "accepted"]
    assert [entry.get("left_out") for entry in outcomes] == [None, None, None, ["price"]]
    assert outcomes[1]["path"] == "$.user_id"
    assert outcomes[1]["found"] == "integer 7"
    assert outcomes[2]["reason"] == "unknown_type"
    assert {entry["reason"] for entry in outcomes[1:3]} <= set(rejections.REASONS)


def test_when_all_events_are_rejected_the_answer_is_a_problem_with_their_paths(shared: Served) -> None:
    document = problem(shared.post("/events", json=event(timestamp="yesterday")), 422)
    assert document["errors"][0]["path"] == "$.timestamp"
    listed = problem(shared.post("/events", json=[event(item_id=""), {}]), 422)
    assert [entry["path"] for entry in listed["errors"]] == ["$[0].item_id", "$[1].event_type"]


@pytest.mark.parametrize("body", [b"", b"  ", b"[", b"[]", b'[{"a":1},', b"\xff\xfe"])
def test_a_body_that_cannot_be_split_into_events_says_so(shared: Served, body: bytes) -> None:
    answer = shared.post("/events", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in {400, 422}
    problem(answer, answer.status_code)


def test_item_facts_reach_their_topic_and_bad_ones_do_not(served: Served, settings: Settings) -> None:
    put = served.http.put("/items/sku-1", json={"category": "tea", "price": 3})
    assert (put.status_code, put.json()["outcome"]) == (202, "accepted")
    assert served.http.delete("/items/sku-2").status_code == 202
    document = problem(served.http.put("/items/sku-1", json={"price": "three"}), 422)
    assert document["errors"][0]["path"] == "$.price"
    assert dict(in_topic(settings, "items", 2)) == {b"sku-1": b'{"category":"tea","price":3}', b"sku-2": None}


def test_errors_of_every_kind_are_problem_documents(shared: Served) -> None:
    problem(shared.get("/no/such/path"), 404)
    wrong = shared.http.put("/popular")
    problem(wrong, 405)
    assert wrong.headers["allow"] == "GET, HEAD"
    for query, path in (
        ("n=0", "n"),
        ("n=201", "n"),
        ("n=x", "n"),
        ("exclude_seen=some", "exclude_seen"),
        ("m=1", "m"),
    ):
        assert problem(shared.get(f"/recommend/ann?{query}"), 422)["errors"][0]["path"] == f"query.{path}"
    body = problem(shared.post("/recommend", json={"n": "three"}), 422)
    assert body["errors"] == [{"path": "$.n", "expected": "int", "found": "str"}]
    assert problem(shared.post("/recommend", json={"exclude": ["a"] * 1_001}), 422)["errors"][0]["path"] == "$.exclude"
    deep = problem(shared.post("/recommend", content=b"[" * 5_000), 422)
    assert deep["next"]
    recent = problem(shared.post("/recommend", json={"recent_items": [{"item_id": "a", "event_type": "b"}]}), 422)
    assert recent["errors"][0]["path"] == "$.recent_items[0].event_type"
    assert problem(shared.post("/gate/freeze", json={"revision": 0}), 422)["errors"][0]["path"] == "$.reason"


def test_a_defect_is_answered_with_a_problem_document(shared: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("inner workings")

    monkeypatch.setattr(shared.context.catalogue, "get", broken)
    document = problem(shared.get("/items/tea"), 500)
    assert document["request_id"]
    assert "inner workings" not in str(document)
    labels = {"method": "GET", "route": "/items/{item_id}", "code": "500"}
    # An answer is counted just after its last byte left.
    eventually(lambda: shared.context.telemetry.registry.get_sample_value("sluicegate_http_requests_total", labels))


def test_a_body_that_is_too_long_and_a_list_of_too_many_are_413(settings: Settings) -> None:
    limits = {"max_body_bytes": 4_096, "max_events_per_request": 3}
    with service(changed(settings, service=limits)) as served:
        problem(served.post("/events", content=b"[" + b" " * 5_000 + b"]"), 413)
        problem(served.post("/recommend", content=b"{" + b" " * 5_000 + b"}"), 413)
        chunks = (b" " * 1_000 for _ in range(6))
        problem(served.post("/events", content=chunks), 413)
        problem(served.post("/events", json=[{}] * 4), 413)


def test_a_caller_beyond_the_rate_learns_when_to_try_again(settings: Settings) -> None:
    with service(changed(settings, service={"rate_limit": 2.0})) as served:
        answers = [served.post("/events", json={}) for _ in range(6)]
        limited = [answer for answer in answers if answer.status_code == 429]
        assert limited
        problem(limited[0], 429)
        assert int(limited[0].headers["retry-after"]) >= 1
        assert served.sample("sluicegate_rate_limited_total") == len(limited)


def test_without_kafka_events_are_503_and_recommendations_continue(redis_url: str, namespace: str) -> None:
    nowhere = {
        "SLUICEGATE_KAFKA__BOOTSTRAP": "127.0.0.1:9",
        "SLUICEGATE_KAFKA__BOOTSTRAP_TIMEOUT": "0.5",
        "SLUICEGATE_REDIS__URL": redis_url,
        "SLUICEGATE_NAMESPACE": namespace,
    }
    with service(load_settings(None, nowhere)) as served:
        answer = served.post("/events", json=event())
        problem(answer, 503)
        assert int(answer.headers["retry-after"]) >= 1
        problem(served.http.put("/items/tea", json={"price": 1}), 503)
        assert served.post("/events", json={"event_type": "click"}).status_code == 422
        assert served.get("/recommend/ann").status_code == 200
        assert served.get("/readyz").json()["kafka"] != "ok"
        assert served.sample("sluicegate_events_accepted_total", outcome="unavailable") == 1


@pytest.mark.parametrize(
    ("compiled", "words"), [(False, "being compiled, once on this machine"), (True, "being loaded")]
)
def test_readiness_says_whether_kernels_are_compiled_or_loaded(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, compiled: bool, words: str
) -> None:
    ready = threading.Event()
    monkeypatch.setattr(gatekeeper, "compiled", lambda _: compiled)
    monkeypatch.setattr(gatekeeper, "compile_apart", lambda _part, _stop: True)
    monkeypatch.setattr(gatekeeper, "warm_serving", lambda: ready.wait(60.0))
    with service(settings) as served:
        eventually(lambda: words in served.get("/readyz").json()["kernels"])
        assert served.get("/readyz").status_code == 503
        assert served.get("/livez").status_code == 200
        ready.set()
        eventually(lambda: served.get("/readyz").status_code == 200)
        assert served.get("/readyz").json()["kernels"] == "ok"


def test_a_service_is_not_ready_before_it_knows_the_facts_of_items(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, step = threading.Event(), ItemCatalogue.step
    monkeypatch.setattr(ItemCatalogue, "step", lambda self: there.wait(60.0) and step(self))
    with service(settings) as served:
        eventually(lambda: served.context.gatekeeper.ready, timeout=60.0)
        answer = served.get("/readyz")
        assert answer.status_code == 503, "a removed item would be on sale until its facts are read"
        assert answer.json()["items"] == "their facts are being loaded"
        there.set()
        eventually(lambda: served.get("/readyz").status_code == 200, timeout=60.0)
        assert served.get("/readyz").json()["items"] == "ok"


def test_a_service_is_not_ready_before_it_made_a_page_which_counts_nowhere(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    wanted, make, made = threading.Event(), warming.make_page, []

    async def make_when_wanted(ctx: Any) -> None:
        while not wanted.is_set():
            await asyncio.sleep(0.01)
        made.append(await make(ctx))

    monkeypatch.setattr(warming, "make_page", make_when_wanted)
    ended = threading.Event()
    with service(settings, ready=ended.set) as served:
        eventually(lambda: served.context.loaded, timeout=60.0)
        assert served.get("/readyz").status_code == 503
        assert not ended.is_set(), "it still loads"
        wanted.set()
        eventually(lambda: served.get("/readyz").status_code == 200, timeout=60.0)
        assert ended.is_set()
        assert b'"items"' in made[0]
        assert served.context.telemetry.counts().slates == 0
    (moments,) = (vars(record)["fields"] for record in caplog.records if record.getMessage() == "ready")
    assert set(moments) == {"imports", "application", "kernels", "facts", "version", "ready"}
    assert list(moments.values()) == sorted(moments.values()), "each part was noted when it was done"


KEYS = {"read": "r-key", "events": "e-key", "admin": "a-key"}


@pytest.fixture(scope="module")
def guarded(shared_settings: Settings) -> Iterator[Served]:
    """A service with one key for each role, for all tests that ask for it."""
    entries = tuple(f"{role}:{digest(key)}" for role, key in KEYS.items())
    with service(changed(shared_settings, service={"keys": entries}), trusted=False) as running:
        yield running


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [
        ("GET", "/recommend/ann", "read"),
        ("POST", "/recommend", "read"),
        ("POST", "/recommend/batch", "read"),
        ("GET", "/popular", "read"),
        ("GET", "/trending", "read"),
        ("GET", "/items/tea/bought-together", "read"),
        ("GET", "/items/tea", "read"),
        ("GET", "/users/ann", "read"),
        ("GET", "/users?q=ann", "read"),
        ("GET", "/model", "read"),
        ("GET", "/gate", "read"),
        ("GET", "/gate/decisions", "read"),
        ("GET", "/metrics", "read"),
        ("POST", "/events", "events"),
        ("POST", "/identify", "events"),
        ("PUT", "/items/tea", "events"),
        ("DELETE", "/items/tea", "events"),
        ("POST", "/gate/freeze", "admin"),
        ("POST", "/gate/thaw", "admin"),
        ("POST", "/gate/promote", "admin"),
        ("POST", "/gate/mode", "admin"),
        ("GET", "/experiments", "read"),
        ("GET", "/experiments/variety", "read"),
        ("POST", "/experiments", "admin"),
        ("POST", "/experiments/variety/stop", "admin"),
        ("DELETE", "/experiments/variety", "admin"),
    ],
)
def test_each_path_takes_the_key_of_its_role_and_admins_and_no_other(
    guarded: Served, method: str, path: str, role: str
) -> None:
    def status(headers: dict[str, str]) -> int:
        return guarded.http.request(method, path, headers=headers, content=b"{}").status_code

    assert status({}) == 401
    assert status({"x-api-key": "wrong"}) == 401
    assert status({"authorization": "Basic abc"}) == 401
    for name, key in KEYS.items():
        expected = name in {role, "admin"}
        assert (status({"x-api-key": key}) not in {401, 403}) == expected
        assert (status({"authorization": f"Bearer {key}"}) not in {401, 403}) == expected


def test_a_missing_key_says_how_to_send_one_and_no_answer_holds_a_key(guarded: Served) -> None:
    before = guarded.sample("sluicegate_auth_failures_total")
    answer = guarded.get("/model", headers={"x-api-key": "wrong-secret"})
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "X-API-Key" in problem(answer, 401)["next"]
    problem(guarded.get("/model", headers={"x-api-key": "e-key"}), 403)
    assert "wrong-secret" not in answer.text
    assert "e-key" not in repr(guarded.context.keys) + repr(guarded.context.settings.service)
    for path in ("/livez", "/readyz", "/", "/docs"):
        assert guarded.get(path).status_code in {200, 503}
    assert guarded.sample("sluicegate_auth_failures_total") == before + 2


def test_on_loopback_only_roles_with_a_configured_key_need_one(settings: Settings) -> None:
    entry = f"admin:{digest('a-key')}"
    with service(changed(settings, service={"keys": (entry,)})) as served:
        assert served.get("/model").status_code == 200
        assert served.post("/gate/thaw", json={"reason": "r", "revision": 0}).status_code == 401
        allowed = served.post("/gate/thaw", json={"reason": "r", "revision": 0}, headers={"x-api-key": "a-key"})
        assert allowed.status_code == 200


def test_a_key_file_is_read_again_when_it_changes(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# one a line\nread:{digest('old')}\n", encoding="utf-8")
    with service(changed(settings, service={"keys_file": file}), trusted=False) as served:
        assert served.get("/model", headers={"x-api-key": "old"}).status_code == 200
        file.write_text(f"read:{digest('new')}\nadmin:{digest('root')}\n", encoding="utf-8")
        eventually(lambda: served.get("/model", headers={"x-api-key": "new"}).status_code == 200)
        assert served.get("/model", headers={"x-api-key": "old"}).status_code == 401


def test_no_edit_of_the_key_file_opens_a_role(settings: Settings, tmp_path: Path) -> None:
    file, entry = tmp_path / "keys", f"admin:{digest('a-key')}\nread:{digest('r-key')}\n"
    file.write_text(entry, encoding="utf-8")
    with service(changed(settings, service={"keys_file": file})) as served:
        keys = served.context.keys

        def looked_again() -> None:
            keys._looked = float("-inf")

        def admitted(path: str, **headers: str) -> bool:
            looked_again()
            return served.get(path, headers=headers).status_code != 401

        for damage in ("", "# nobody\n", "nonsense\n", f"{entry}nonsense\n", None):
            if damage is None:
                file.unlink()
            else:
                file.write_text(damage, encoding="utf-8")
            assert not admitted("/model"), damage
            assert not admitted("/erasures/x"), damage
            assert admitted("/model", **{"x-api-key": "r-key"}), damage
            assert "in force" in served.get("/readyz").json()["keys"], damage
        # A sound file without the role revokes its keys; the role stays closed.
        file.write_text(f"events:{digest('e-key')}\n", encoding="utf-8")
        for key in ("", "a-key", "r-key", "e-key"):
            looked_again()
            assert served.get("/erasures/x", headers={"x-api-key": key}).status_code in {401, 403}
        assert not admitted("/model")
        assert served.get("/readyz").json()["keys"] == "ok"


@pytest.mark.parametrize("text", ["", "\n", "# read:\n"])
def test_a_key_file_without_a_key_does_not_start_a_service(tmp_path: Path, text: str) -> None:
    file = tmp_path / "keys"
    file.write_text(text, encoding="utf-8")
    for trusted in (True, False):
        with pytest.raises(BadKeys, match="has no entry"):
            ApiKeys((), file, trusted=trusted)


def test_pages_load_nothing_from_outside(shared: Served) -> None:
    eventually(lambda: shared.get("/readyz").status_code == 200, timeout=60.0)  # a page links it
    seen, waiting = set(), ["/", "/docs", "/docs/problems"]
    while waiting:
        path = waiting.pop()
        answer = shared.get(path)
        assert answer.status_code == 200, path
        seen.add(path)
        if answer.headers["content-type"].startswith("text/html"):
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "script-src 'self';" in policy
            assert not re.search(r"<script(?![^>]*src=)[^>]*>", answer.text)
            found = re.findall(r'(?:src|href)="([^"#{]+)"', answer.text)  # what a template leaves open is no link
            assert not [link for link in found if link.startswith(("/", "http:", "https:"))], "not below a prefix"
            links = [urljoin(path, link) for link in found if not link.startswith("data:")]
            waiting += [link for link in links if link not in seen and link != "/metrics"]
    assert {"/static/swagger-ui-bundle.js", "/static/swagger-ui.css", "/openapi.json"} <= seen
    assert {"/static/page.css", "/static/page/main.js", "/static/docs.js", "/model", "/docs/problems"} <= seen
    problem(shared.get("/static/../app.py"), 404)
    problem(shared.get("/static/secrets"), 404)


def test_the_description_names_every_path_and_resolves(shared: Served) -> None:
    document = shared.get("/openapi.json").json()
    assert {"/recommend/{user_id}", "/events", "/gate/freeze", "/readyz"} <= set(document["paths"])
    references = set(re.findall(r"#/components/schemas/(\w+)", str(document)))
    assert references <= set(document["components"]["schemas"])
    assert "Ask" in references


def test_every_answer_carries_safe_headers_and_is_counted_by_template(served: Served) -> None:
    eventually(lambda: served.get("/readyz").status_code == 200, timeout=60.0)  # the gate's mode is known
    for path in ("/recommend/ann", "/nowhere/at/all", "/livez"):
        headers = served.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert len(headers["x-request-id"]) == 16
    assert served.sample("sluicegate_http_requests_total", method="GET", route="/recommend/{user_id}", code="200") == 1
    assert served.sample("sluicegate_http_requests_total", method="GET", route="unmatched", code="404") == 1
    assert served.sample("sluicegate_http_request_duration_seconds_count", route="/recommend/{user_id}") == 1
    text = served.get("/metrics").text
    assert "ann" not in re.findall(r'="([^"]*)"', text)
    assert 'sluicegate_gate_mode{mode="continuous"} 1.0' in text
    assert "process_resident_memory_bytes" in text
