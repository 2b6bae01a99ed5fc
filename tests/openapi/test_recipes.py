"""The recipes of docs/clients.md that run on a server, copied from the page and run as they stand there."""

from __future__ import annotations

import contextlib
import email
import email.policy
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.records.items import ItemFacts
from service.http.auth import digest
from service.local.embedded import free_port
from streaming.kafka.topics import ensure_topics
from streaming.settings.loading import Settings
from tests.conftest import eventually
from tests.integration.commands.test_documents import ROOT, fences
from tests.integration.service.test_http import in_topic
from tests.support.processes.serving import Served, changed, connected, learner, shop

KEY = "key-of-the-shop"


def recipe(name: str) -> str:
    """The recipe that says in its first line to be this file."""
    (found,) = [text for kind, text in fences(ROOT / "docs/clients.md") if kind == "python" and f'"""{name}' in text]
    return found


@pytest.fixture
def served(settings: Settings) -> Iterator[Served]:
    """A service that has learned a small shop, in which the titles of items are markup."""
    ensure_topics(settings)
    with learner(settings) as taught:
        taught.learn(shop())
        taught.describe({f"item-{number}": ItemFacts(title=f"<b>Tea</b> & {number}") for number in range(30)})
        version = taught.commit()
    guarded = changed(settings, service={"keys": (f"admin:{digest(KEY)}",)})
    with connected(guarded, trusted=False) as running:
        headers = {"X-API-Key": KEY}
        eventually(lambda: running.get("/readyz", headers=headers).json()["version"] == version, timeout=60.0)
        eventually(lambda: running.get("/items/item-29", headers=headers).json().get("title"))
        yield running


def environment(served: Served) -> dict[str, str]:
    return {**os.environ, "SLUICEGATE": served.base, "SHOP_KEY": KEY, "PYTHONPATH": str(ROOT / "clients/python")}


@contextlib.contextmanager
def running(served: Served, folder: Path) -> Iterator[str]:
    """Runs the shop whose server makes its pages."""
    (folder / "recipe_server.py").write_text(recipe("recipe_server.py"))
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "recipe_server:app", "--port", str(port), "--log-level", "warning"]
    with subprocess.Popen(command, cwd=folder, env=environment(served)) as process:
        try:
            base = f"http://127.0.0.1:{port}"

            def answers() -> bool:
                assert process.poll() is None
                try:
                    return httpx.get(f"{base}/item/item-1").status_code == 200
                except httpx.TransportError:
                    return False

            eventually(answers, timeout=30.0)
            yield base
        finally:
            process.terminate()
            process.wait(20)


def test_a_server_shows_tracks_and_sells_and_without_consent_it_only_shows(
    served: Served, settings: Settings, tmp_path: Path
) -> None:
    with running(served, tmp_path) as base, httpx.Client(base_url=base, follow_redirects=True) as visitor:
        shown = visitor.get("/item/item-1").text
        assert shown.count("<li>") == 4
        assert "&lt;b&gt;Tea&lt;/b&gt; &amp; " in shown
        visitor.cookies.set("consent", "yes")
        html = visitor.get("/item/item-1").text
        link = re.findall(r'href="(/item/[^"]+\?reco=\w+)"', html)[0]
        visitor.get(link)
        item = link.partition("?")[0].removeprefix("/item/")
        assert visitor.post(f"/buy/{item}").status_code == 200
        me = visitor.cookies["visitor"]
    # The shop has ended; it has sent what waited.
    found = {
        (event["event_type"], event["item_id"], event.get("request_id"), event["user_id"])
        for event in (json.loads(value or b"") for _, value in in_topic(settings, "events", 4))
    }
    assert re.fullmatch("v-[0-9a-f]{32}", me)
    assert found == {
        ("click", "item-1", None, me),
        ("click", item, link.partition("=")[2], me),
        ("purchase", item, None, me),
        ("click", item, None, me),  # the page after the purchase
    }


def test_a_letter_is_written_for_each_user_and_its_links_name_the_slate(served: Served, tmp_path: Path) -> None:
    (tmp_path / "recipe_letters.py").write_text(recipe("recipe_letters.py"))
    command = [sys.executable, "recipe_letters.py", "user-1", "nobody/new"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(served), capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "user-1: 3 items\nnobody/new: 3 items\n"), done.stderr
    letter: Any = email.message_from_bytes((tmp_path / "user-1.eml").read_bytes(), policy=email.policy.default)
    html = letter.get_body(("html",)).get_content()
    links = re.findall(r'href="(https://shop\.example/item/item-\d+\?reco=\w+)"', html)
    assert len(links) == 3
    assert len({link.partition("=")[2] for link in links}) == 1
    assert "&lt;b&gt;Tea" in html
    assert (tmp_path / "nobody%2Fnew.eml").exists()


def test_the_first_lines_of_the_python_client_run(served: Served, settings: Settings, tmp_path: Path) -> None:
    first = next(text for kind, text in fences(ROOT / "docs/clients.md") if kind == "python")
    text = first.replace("http://127.0.0.1:8000", served.base).replace("SECRET-KEY", KEY)
    (tmp_path / "first.py").write_text(text)
    command = [sys.executable, "first.py"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(served), capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    ((_, value),) = in_topic(settings, "events", 1)
    event = json.loads(value or b"")
    assert (event["event_type"], event["item_id"], event["price"]) == ("purchase", "teapot-1", 24.9)
    assert event["request_id"]


def test_a_program_that_ends_without_closing_sends_what_waits(
    served: Served, settings: Settings, tmp_path: Path
) -> None:
    program = "import os, sluicegate_client as c\nc.Client(os.environ['SLUICEGATE'], os.environ['SHOP_KEY'])"
    command = [sys.executable, "-c", f"{program}.track('click', 'ann', 'tea')"]
    done = subprocess.run(command, cwd=tmp_path, env=environment(served), timeout=60, check=False)
    assert done.returncode == 0
    ((_, value),) = in_topic(settings, "events", 1)
    assert json.loads(value or b"")["item_id"] == "tea"
