"""The example shop, whole: its page and its server send events, they are learned, and its pages follow."""

from __future__ import annotations

import json
import re
import time
import urllib.request

from service.http.auth import digest
from service.local.embedded import free_port
from tests.acceptance.conftest import Open
from tests.support.processes.roles import Process
from tests.support.streams.streams import Planned
from tests.support.streams.webshop import webshop

TOGETHER = [
    ("sencha", "rooibos", "scale"),
    ("kettle", "teapot", "knife"),
    ("lamp", "pens", "pad"),
    ("assam", "mint", "clock"),
]


def test_what_a_visitor_does_in_the_example_shop_changes_what_it_shows(open_installation: Open) -> None:
    port = free_port()
    ours = open_installation()
    keys = ",".join(f"{role}:{digest(role)}" for role in ("events", "beacon"))
    learner = ours.learner()
    service = ours.service(service__keys=keys, service__beacon_origins=f"http://127.0.0.1:{port}")
    # Others look at three things that go together, and each three are as popular as the others.
    for number in range(400):
        for place, item in enumerate(TOGETHER[number % len(TOGETHER)]):
            moment = time.time() - 500 + number + place / 10
            event = {"event_type": "click", "user_id": f"other-{number}", "item_id": item, "timestamp": moment}
            ours.post(Planned(event, moment))
    head = ours.wait_learnt(learner)
    ours.wait(lambda: service.get("/model")[1].get("version") == head.id, "the last version is served", service)
    with webshop(f"http://{service.address}", port, "events", "beacon") as address:
        html, cookie = look(f"{address}/item/sencha")
        settings = dict(re.findall(r'data-(\w+)="([^"]*)"', html))
        click = {
            "event_type": "click",
            "user_id": settings["visitor"],
            "item_id": settings["item"],
            "timestamp": time.time(),
        }
        # What shop.js does in a browser (tests/browser/test_webshop.py has a real one).
        beacon = urllib.request.Request(
            f"{settings['endpoint']}?key={settings['key']}",
            json.dumps(click).encode(),
            {"Content-Type": "text/plain;charset=UTF-8", "Origin": address},
        )
        with urllib.request.urlopen(beacon, timeout=30) as answer:
            assert answer.status == 202
        ours.wait(
            lambda: {"rooibos", "scale"} <= set(shown(look(f"{address}/", cookie)[0])[:3]),
            "the page shows what goes with what was looked at",
            learner,
            service,
        )
        form = urllib.request.Request(f"{address}/buy", b"item=rooibos", {"Cookie": cookie})
        urllib.request.urlopen(form, timeout=30).close()
        ours.wait(
            lambda: [each["event_type"] for each in history(service, settings["visitor"])] == ["purchase", "click"],
            "the purchase, which the server sends, is in the same visitor's history",
            learner,
            service,
        )


def look(address: str, cookie: str = "") -> tuple[str, str]:
    """A page, and the cookie it sets."""
    with urllib.request.urlopen(urllib.request.Request(address, headers={"Cookie": cookie}), timeout=30) as answer:
        return answer.read().decode(), answer.headers["Set-Cookie"].partition(";")[0]


def shown(html: str) -> list[str]:
    """The items under "For you"."""
    return re.findall(r'<li><a href="/item/([^"]+)"', html)


def history(service: Process, visitor: str) -> list[dict[str, str]]:
    """What the service knows of a visitor, newest first."""
    status, answer = service.get(f"/users/{visitor}")
    return answer["history"] if status == 200 else []
