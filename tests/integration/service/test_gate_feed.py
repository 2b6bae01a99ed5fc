"""What the live page reads: the stream, its bounds and its end, and the catalogue page by page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from models.records.items import ItemFacts
from service.gate import feed as live
from streaming.settings.loading import Settings
from tests.conftest import eventually
from tests.integration.service.test_gate import command
from tests.integration.service.test_http import problem
from tests.support.processes.serving import Served, learner, service, shop


@contextmanager
def serving(settings: Settings) -> Iterator[Served]:
    """A service with one version and 30 items, the last of them hidden."""
    with learner(settings) as taught:
        taught.learn(shop())
        taught.describe({
            f"item-{number}": ItemFacts(title=f"Item {number}", category=f"c{number % 3}", available=number < 29)
            for number in range(30)
        })
        version = taught.commit()
        with service(settings) as made:
            eventually(lambda: made.get("/readyz").json()["version"] == version)
            eventually(lambda: len(made.get("/items?limit=200").json()["items"]) == 29)
            yield made


@pytest.fixture
def served(settings: Settings) -> Iterator[Served]:
    """A service whose stream only this test reads."""
    with serving(settings) as made:
        yield made


@pytest.fixture(scope="module")
def shared(shared_settings: Settings) -> Iterator[Served]:
    """A service for all tests that do not mind who else reads."""
    with serving(shared_settings) as made:
        yield made


def messages(lines: Iterator[str], count: int) -> list[dict[str, Any]]:
    """The next messages of a stream."""
    found: list[dict[str, Any]] = []
    current: dict[str, Any] = {}
    for line in lines:
        if not line and "event" in current:
            found.append({**current, "data": json.loads(current["data"])})
            current = {}
            if len(found) == count:
                break
        elif line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            current[name] = value
    return found


def read(served: Served, count: int, last: str = "") -> list[dict[str, Any]]:
    """The first messages of a new stream."""
    headers = {"last-event-id": last} if last else {}
    with served.http.stream("GET", "/stream", headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        return messages(answer.iter_lines(), count)


def test_the_stream_sends_the_past_and_then_the_present_each_second(served: Served) -> None:
    history, before, first, second = read(served, 4)
    assert [message["event"] for message in (history, before, first, second)] == [
        "history",
        "decisions",
        "state",
        "state",
    ]
    state = second["data"]
    assert state["version"] == served.get("/model").json()["version"]
    assert set(state["scores"]) == set(served.get("/model").json()["scores"])
    assert state["gate"]["mode"] == "continuous"
    (promoted,) = [entry for part in (before["data"], first["data"]["decisions"]) for entry in part]
    assert (promoted["action"], promoted["of_note"]) == ("promote", True)
    assert state["decisions"] == []
    assert state["at"] > first["data"]["at"]
    assert (state["newest"], state["reference"]) == (state["sequence"], state["sequence"])
    assert state["anchors"] == [state["sequence"]], "one version stands for every age, named once"
    assert (state["mode"], state["held"], state["alarms"]) == ("continuous", [], [])


def test_the_stream_says_how_answers_fare_and_the_past_adds_them_up(served: Served) -> None:
    with served.http.stream("GET", "/stream") as answer:
        assert answer.headers["content-encoding"] == "gzip"
        lines = answer.iter_lines()
        before = messages(lines, 3)[-1]["data"]
        assert (before["failed"], before["degraded"], before["kafka_away"]) == (0, {}, False)
        for user in ("user-1", "user-2", "user-3"):
            served.get(f"/recommend/{user}")
        looks = [message["data"] for message in messages(lines, 1)]
        while sum(look["slates"] for look in looks) < 3:  # on a busy machine some looks come between the requests
            looks += [message["data"] for message in messages(lines, 1)]
    assert sum(look["slates"] for look in looks) == 3
    assert looks[-1]["lag"] is None, "the version carries no evidence"
    past = served.get("/stream/past").json()
    assert len(past["at"]) == len(past["mode"]) == len(past["scores"].get("served", past["at"])) == 1
    assert served.get("/stream/past", params={"seconds": "1"}).status_code == 200
    for wrong in ("0", "86401", "a day"):
        found = problem(served.get("/stream/past", params={"seconds": wrong}), 422)
        assert found["errors"][0]["path"] == "query.seconds"


def test_a_stream_is_not_compressed_for_who_does_not_read_that(shared: Served) -> None:
    for accepted in ("identity", "gzip;q=0", "br"):
        with shared.http.stream("GET", "/stream", headers={"accept-encoding": accepted}) as answer:
            assert "content-encoding" not in answer.headers
            assert messages(answer.iter_lines(), 1)[0]["event"] == "history"
        plain = shared.get("/static/page/main.js", headers={"accept-encoding": accepted})
        assert "content-encoding" not in plain.headers
    squeezed = shared.get("/static/page/main.js", headers={"accept-encoding": "br, gzip;q=0.5"})
    assert (squeezed.headers["content-encoding"], squeezed.headers["vary"]) == ("gzip", "Accept-Encoding")
    assert squeezed.content == plain.content


def test_a_page_that_opens_gets_what_operators_did_before(served: Served) -> None:
    version = served.get("/model").json()["version"]
    assert command(served, "mode", mode="manual").status_code == 200
    sent = [entry for message in read(served, 3)[1:] for entry in decisions_in(message)]
    assert [entry["action"] for entry in sent] == ["mode", "promote"]
    assert command(served, "rollback").json()["reasons"] == ["not_older"]
    again = [entry for message in read(served, 3)[1:] for entry in decisions_in(message)]
    changed = {entry["revision"]: entry for entry in again}
    assert sorted(entry["action"] for entry in changed.values()) == ["hold", "mode", "promote"]
    (mode,) = [entry for entry in changed.values() if entry["action"] == "mode"]
    assert (mode["actor"], mode["detail"], mode["mode_before"], mode["mode_after"]) == (
        "local",
        "a test",
        "continuous",
        "manual",
    )
    assert mode["from_version"] == version


def decisions_in(message: dict[str, Any]) -> list[dict[str, Any]]:
    """The decisions of a message, of either kind."""
    found: list[dict[str, Any]] = message["data"] if message["event"] == "decisions" else message["data"]["decisions"]
    return found


def test_a_page_that_reconnects_gets_only_the_points_it_missed(shared: Served) -> None:
    before = read(shared, 4)
    again = read(shared, 1, before[-1]["id"])
    known = {before[-1]["data"]["at"]}
    assert not known & {point["at"] for point in again[0]["data"]}
    other_process = read(shared, 1, "00000000-999999")
    assert before[-1]["data"]["at"] in {point["at"] for point in other_process[0]["data"]}


def test_the_number_of_watching_pages_is_limited(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "CLIENTS", 1)
    with served.http.stream("GET", "/stream") as answer:
        lines = answer.iter_lines()  # httpx closes the connection when nobody holds this any more
        messages(lines, 1)
        with served.http.stream("GET", "/stream") as refused:
            assert refused.status_code == 429
            assert refused.headers["retry-after"]
    eventually(lambda: served.context.live.clients == 0)
    assert read(served, 1)


def test_a_stream_does_not_count_as_a_long_request(served: Served) -> None:
    def shown(name: str, **labels: str) -> float:
        return served.context.telemetry.registry.get_sample_value(f"sluicegate_http_{name}", labels) or 0.0

    counted = shown("requests_total", method="GET", route="/stream", code="200")
    took = shown("request_duration_seconds_sum", route="/stream")
    with served.http.stream("GET", "/stream") as answer:
        lines = answer.iter_lines()
        messages(lines, 4)  # two seconds and more
        assert shown("streams") == 1
        assert shown("requests_in_progress") == 0
    eventually(lambda: shown("streams") == 0)
    assert shown("requests_total", method="GET", route="/stream", code="200") == counted + 1
    assert shown("request_duration_seconds_sum", route="/stream") < took + 0.5


def test_the_catalogue_is_read_page_by_page_without_hidden_items(shared: Served) -> None:
    found: list[str] = []
    after = ""
    while True:
        page = shared.get(f"/items?limit=10&after={after}").json()
        found += [item["item_id"] for item in page["items"]]
        if page["next"] is None:
            break
        after = page["next"]
    assert sorted(found) == sorted(f"item-{number}" for number in range(29))
    first = shared.get("/items?limit=1").json()
    assert first["categories"] == ["c0", "c1", "c2"]
    assert first["items"][0]["title"].startswith("Item ")


def test_a_category_is_read_page_by_page(shared: Served) -> None:
    first = shared.get("/items?category=c1&limit=6").json()
    second = shared.get(f"/items?category=c1&limit=6&after={first['next']}").json()
    assert second["next"] is None
    found = [item["item_id"] for page in (first, second) for item in page["items"]]
    assert sorted(found) == sorted(f"item-{number}" for number in range(1, 29, 3))


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "after=nobody"])
def test_an_impossible_page_is_refused(shared: Served, query: str) -> None:
    answer = shared.get(f"/items?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"].startswith("query.")
