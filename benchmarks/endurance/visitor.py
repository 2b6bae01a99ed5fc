"""Visits the shop again and again: posts one event to a service, then asks until the user's history shows it.

A post that fails goes to the other service, and one that is refused for the moment is sent again under the same event
id: what a shop's server does. So each visit is in the topic once for the learner, however often it was sent.
"""

from __future__ import annotations

import http.client
import itertools
import json
import threading
import time
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from benchmarks import workload
from benchmarks.endurance import names

VISITORS: Final = 1_000
"""Users who do nothing but visit; they take turns."""
PAUSE: Final = 0.2
ASK_AGAIN: Final = 0.05
AFTER_REFUSAL: Final = 0.5
TIMEOUT: Final = 10.0
GIVE_UP: Final = 10.0
"""Seconds after which a visit counts as not seen, and the next one begins."""


class Answer(NamedTuple):
    """One request: when it began (epoch seconds), "post" or "history", and its status (0: neither service answered)."""

    at: float
    what: str
    status: int


class Visit(NamedTuple):
    """One event: when the post that was accepted began, and when a history showed it (None: never)."""

    posted: float
    seen: float | None


class Visitor(threading.Thread):
    """Visits until `finish`. Its lists only grow, and may be read at any time."""

    def __init__(self, addresses: Sequence[str]) -> None:
        super().__init__(name="visitor", daemon=True)
        self._links = [http.client.HTTPConnection(address, timeout=TIMEOUT) for address in addresses]
        self._over = threading.Event()
        self._error: BaseException | None = None
        self.answers: list[Answer] = []
        self.visits: list[Visit] = []
        self.accepted: list[int] = []
        """Numbers of the events that a service said are in the topic."""

    def run(self) -> None:
        """The thread."""
        try:
            for number in itertools.count():
                self._visit(number)
                if self._over.wait(PAUSE):
                    break
        except BaseException as error:  # raised again by `finish`
            self._error = error

    def finish(self) -> None:
        """End after the request that is under way. Raises what ended the thread before its time."""
        self._over.set()
        self.join()
        for link in self._links:
            link.close()
        if self._error is not None:
            raise self._error

    def seen_since(self, moment: float) -> float | None:
        """When the first visit that was posted after `moment` was seen; None while there is none."""
        return min((visit.seen for visit in self.visits if visit.seen and visit.posted > moment), default=None)

    def _visit(self, number: int) -> None:
        user, item = f"v{number % VISITORS:06d}", f"i{(7 * number) % workload.ITEMS:06d}"
        event = {
            "event_type": "click",
            "user_id": user,
            "item_id": item,
            "timestamp": time.time(),
            "event_id": names.event_id(names.POSTED, 0, number),
        }
        posted = self._post(json.dumps(event).encode())
        if posted is None:
            return
        self.accepted.append(number)
        seen = None
        while seen is None and time.time() < posted + GIVE_UP:
            if item in self._history(user)[:1]:
                seen = time.time()
            elif self._over.wait(ASK_AGAIN):
                return
        self.visits.append(Visit(posted, seen))

    def _post(self, body: bytes) -> float | None:
        """When the request began that was accepted; None when told to end before one was."""
        while not self._over.is_set():
            began = time.time()
            status, _ = self._ask("post", "POST", "/events", body)
            if status == 202:
                return began
            self._over.wait(AFTER_REFUSAL)
        return None

    def _history(self, user: str) -> list[str]:
        status, found = self._ask("history", "GET", f"/users/{user}")
        return [each["item_id"] for each in found["history"]] if status == 200 else []

    def _ask(self, what: str, method: str, path: str, body: bytes | None = None) -> tuple[int, Any]:
        """Ask one service, and the other one when it does not answer; that one is asked first from then on."""
        began = time.time()
        status, found = 0, None
        for link in list(self._links):
            try:
                link.request(method, path, body, {"Content-Type": "application/json"} if body else {})
                answer = link.getresponse()
                status, found = answer.status, json.loads(answer.read())
                break
            except (OSError, http.client.HTTPException, ValueError):
                link.close()
                self._links.reverse()
        self.answers.append(Answer(began, what, status))
        return status, found
