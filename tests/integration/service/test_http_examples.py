"""Runs the commands of docs/api.md unchanged against a real service, and checks their answers."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.records import ItemFacts, checked_attributes
from streaming.settings.loading import Settings
from tests.conftest import eventually
from tests.support.processes.serving import Served, learner, service, shop

PAGE = Path(__file__).resolve().parents[3] / "docs/api.md"
BASE = "http://127.0.0.1:8000"


def examples() -> list[list[str]]:
    """The arguments of every curl command of the page that asks for recommendations."""
    blocks = re.findall(r"^```sh\n(curl .*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    commands = [shlex.split(block.replace("\\\n", "")) for block in blocks]
    return [command for command in commands if any(word.startswith(f"{BASE}/recommend") for word in command)]


@pytest.fixture(scope="module")
def served(broker: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service that knows the items on the page."""
    settings = Settings(namespace=f"api{tmp_path_factory.mktemp('x').name.strip('x')}")
    settings = settings.model_copy(
        update={
            "kafka": settings.kafka.model_copy(update={"bootstrap": broker}),
            "redis": settings.redis.model_copy(update={"url": redis_url}),
        }
    )
    with learner(settings) as taught:
        named = [("ann", "teapot-1"), ("ann", "mug-3"), ("ben", "kettle-2"), ("ben", "sencha"), ("cem", "assam")]
        taught.learn([*shop(), *named * 5])
        red, _ = checked_attributes({"colour": "red", "stock": 12})
        taught.describe({
            "sencha": ItemFacts(category="tea", tags=("green",), price=9.0),
            "assam": ItemFacts(category="tea", tags=("black",), price=29.0),
            "teapot-1": ItemFacts(category="tea", tags=("green",), price=19.0, attributes=red),
        })
        version = taught.commit()
        with service(settings) as made:
            eventually(lambda: made.get("/readyz").json()["version"] == version)
            eventually(lambda: made.get("/items/assam").json()["available"])
            yield made


def run(served: Served, command: list[str]) -> dict[str, Any]:
    """The answer to the command."""
    address = next(word for word in command if word.startswith(BASE)).removeprefix(BASE)
    if "-d" not in command:
        answer = served.get(address)
    else:
        body = command[command.index("-d") + 1]
        answer = served.post(address, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200, (command, answer.text)
    first = answer.text.partition("\n")[0]  # a request for many users is answered by a line for each
    document: dict[str, Any] = json.loads(first)
    return document


def test_there_is_an_example_of_each_group_of_options() -> None:
    text = " ".join(" ".join(command) for command in examples())
    groups = ("category", "tags_any", "price_max", "exclude", "candidates", "context", "diversity", "pinned", "boosted")
    assert [name for name in (*groups, "rotate", "explore", "explain") if name not in text] == []


@pytest.mark.parametrize("command", examples(), ids=lambda command: command[-1][-60:])
def test_an_example_of_the_page_answers_with_items(served: Served, command: list[str]) -> None:
    assert run(served, command)["items"]


def test_the_examples_do_what_the_page_says(served: Served) -> None:
    found = {name: run(served, command) for command in examples() for name in NAMES if name in " ".join(command)}
    ids = {name: [item["item_id"] for item in document["items"]] for name, document in found.items()}
    assert ids["category"] == ["sencha"]
    assert set(ids["candidates"]) == {"kettle-2", "teapot-1", "mug-3"}
    assert ids["pinned"][0] == "mug-3"
    assert {"kettle-2", "teapot-1"} <= set(ids["pinned"])
    assert all(0 < item["propensity"] <= 1 for item in found["explore"]["items"])
    for item in found["explain"]["items"]:
        assert sum(part["contribution"] for part in item["contributions"]) == pytest.approx(item["score"], abs=1e-6)


NAMES = ("category", "candidates", "pinned", "explore", "explain")
