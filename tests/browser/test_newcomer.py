"""The way of a new user, by the commands of the quickstart alone: own file, own page, an experiment, its lift."""

from __future__ import annotations

import csv
import os
import random
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, expect

from service.local.embedded import free_port
from tests.conftest import eventually
from tests.integration.commands.test_documents import ROOT, fences

SLUICEGATE = [sys.executable, "-m", "service.cli.main"]
ITEMS = ["teapot-1", *(f"mug-{number}" for number in range(30))]
USERS, VISITS = 150, 3
CLICKS = {"ours": 0.7, "popular": 0.12}
"""Share of the slates that a user of each arm clicks on."""


@dataclass
class Way:
    """What a new user typed, and how long each command took."""

    folder: Path
    environ: dict[str, str]
    steps: list[tuple[str, float]] = field(default_factory=list)

    def run(self, command: str) -> str:
        """Run a command as it stands; what it prints. It has to end well."""
        began = time.monotonic()
        words = [*SLUICEGATE, *shlex.split(command)]
        done = subprocess.run(words, cwd=self.folder, env=self.environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        self.steps.append((f"sluicegate {command}", time.monotonic() - began))
        return done.stdout

    def up(self, command: str, stack: ExitStack) -> str:
        """Start what runs until Ctrl-C; the address, once it is ready. What it says to export counts from then on."""
        began, words = time.monotonic(), [*SLUICEGATE, *shlex.split(command)]
        process = subprocess.Popen(words, cwd=self.folder, env=self.environ, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        stack.callback(process.stdout.close)
        stack.callback(process.wait)
        stack.callback(process.terminate)
        address = ""
        for line in iter(process.stdout.readline, ""):
            address = address or next(iter(re.findall(r"ready: (http://\S+)", line)), "")
            if line.startswith("export "):
                self.environ |= dict(word.split("=", 1) for word in shlex.split(line)[1:])
                break
        assert address
        self.steps.append((f"sluicegate {command}", time.monotonic() - began))
        return address


@pytest.fixture
def way(tmp_path: Path) -> Iterator[Way]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SLUICEGATE_")}
    made = Way(tmp_path, clean)
    yield made
    print(f"\n{len(made.steps)} commands, {sum(seconds for _, seconds in made.steps):.0f} s")
    for command, seconds in made.steps:
        print(f"{seconds:6.1f} s  {command}")


def write_files(folder: Path) -> None:
    """The log and the catalogue of a small shop whose users each like a third of the items."""
    random_, now = random.Random(7), time.time()
    with (folder / "own.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["event_type", "user_id", "item_id", "timestamp"])
        for number in range(900):
            user = random_.randrange(60)
            item = ITEMS[(3 * random_.randrange(10) + user) % len(ITEMS)]
            lines.writerow([
                random_.choice(["click", "click", "purchase"]),
                f"K{user}",
                item,
                f"{now - 3_600 + number:.0f}",
            ])
    with (folder / "products.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["item_id", "title", "category", "price"])
        lines.writerows([item, item.replace("-", " ").title(), item.split("-")[0], 12.5] for item in ITEMS)


def visit(shop: httpx.Client, users: int) -> None:
    """Slates for users, and clicks on them, more often in one arm than in the other."""
    random_ = random.Random(11)
    for number in range(VISITS * users):
        slate = shop.get(f"/recommend/visitor-{number % users}?n=4").json()
        if random_.random() < CLICKS[slate["experiments"]["ranked"]]:
            event = {"event_type": "click", "user_id": slate["user_id"], "item_id": slate["items"][0]["item_id"]}
            assert shop.post("/events", json=event | {"request_id": slate["request_id"]}).status_code == 202


@pytest.mark.timeout(600)
def test_from_a_file_to_the_lift_of_an_experiment(way: Way, browser: Browser) -> None:
    write_files(way.folder)
    assert "served" in way.run("evaluate own.csv --items products.csv")
    key = re.findall(r"key +(\S+)", way.run("keys new --role beacon --file keys.txt"))[0]
    port = free_port()
    way.environ |= {
        "SLUICEGATE_SERVICE__KEYS_FILE": str(way.folder / "keys.txt"),
        "SLUICEGATE_SERVICE__BEACON_ORIGINS": f"http://127.0.0.1:{port}",
        "SLUICEGATE_SERVICE__BEACON_RECOMMEND": "true",
    }
    with ExitStack() as stack:
        address = way.up("up --port 0 --metrics-port 0 --folder state", stack)
        way.run("items products.csv")
        way.run("send own.csv")
        shop = stack.enter_context(httpx.Client(base_url=address, timeout=30.0))
        eventually(lambda: shop.get("/users/K7").json()["history"], timeout=60.0)
        assert "mug-" in way.run("recommend K7")

        (snippet,) = (text for _, text in fences(ROOT / "docs" / "clients.md") if "Best sellers, as the server" in text)
        page_text = snippet.replace("PUBLIC-KEY", key).replace("https://reco.shop.example", address)
        (way.folder / "index.html").write_text(f'<!doctype html><link rel="icon" href="data:,">{page_text}')
        server = subprocess.Popen(
            [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"],
            cwd=way.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        stack.callback(server.wait)
        stack.callback(server.terminate)
        context = stack.enter_context(browser.new_context())
        context.add_cookies([{"name": "consent", "value": "yes", "url": f"http://127.0.0.1:{port}"}])
        page = context.new_page()
        eventually(lambda: httpx.get(f"http://127.0.0.1:{port}/").status_code == 200, timeout=30.0)
        page.goto(f"http://127.0.0.1:{port}/")
        expect(page.locator("#for-you a")).to_have_count(4)
        expect(page.locator("#for-you")).not_to_contain_text("Best sellers")
        visitor = page.evaluate("shop.visitor()")
        eventually(lambda: clicked(shop.get(f"/users/{visitor}").json()) == ["teapot-1"], timeout=30.0)

        arms = "--arm ours=0.5 --arm popular=0.5,order=popularity"
        way.run(f"experiment start ranked {arms} --minimum-days 0 --reason 'is it worth it?'")
        eventually(lambda: "ranked" in shop.get("/recommend/K7").json().get("experiments", {}), timeout=30.0)
        visit(shop, USERS)
        eventually(lambda: shop.get("/experiments/ranked").json()["verdict"] == "worse", timeout=60.0)
        assert "popular is worse than ours" in " ".join(way.run("experiment show ranked").split())
        learner = f"http://127.0.0.1:{way.environ['SLUICEGATE_LEARNER__METRICS_PORT']}/metrics"
        lift = 'sluicegate_experiment_lift{arm="popular",bound="high",experiment="ranked"}'

        def shown() -> list[float]:
            """What the dashboard shows; the learner tells it a moment after the verdict is in Redis."""
            lines = httpx.get(learner).text.splitlines()
            return [float(line.split()[-1]) for line in lines if line.startswith(lift)]

        eventually(shown, timeout=30.0)
        assert shown()[0] < 0
    assert len(way.steps) == 8


def clicked(answer: dict[str, Any]) -> list[str]:
    return [event["item_id"] for event in answer["history"]]
