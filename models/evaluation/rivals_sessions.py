"""Session-based nearest neighbours with decay (V-SKNN): what people with visits like this one took next.

It learns at every event and needs no package. M. Ludewig, D. Jannach, "Evaluation of session-based recommendation
algorithms", User Modeling and User-Adapted Interaction 28, 2018, section 3.2.3: of the most recent sessions that share
an item with the current one, the nearest by a product in which recent items of the current session weigh more. A short
session is extended by the user's items before it, and the user is reminded of those items, as in S. Latifi, N. Mauro,
D. Jannach, "Session-aware recommendation: A surprising quest for the state-of-the-art", Information Sciences 573, 2021.
Reminders weigh as much as users come back to their items: not at all where nobody does, as with ratings of films.
"""

from __future__ import annotations

from array import array
from bisect import insort
from typing import Any, Final

import numpy as np

from models.arrays import Array
from models.dimensions import SESSION_GAP
from models.evaluation.rivals import Maker

SAMPLED: Final = 1_000
"""Most recent sessions, of those that share an item, that are compared."""

NEIGHBOURS: Final = 100
"""The nearest of them, whose items are scored."""

LENGTH: Final = 20
"""Distinct items of the user that stand for the current session, newest first."""

LEAST: Final = 1e-9
"""Weight of popularity, which orders all that no neighbour has behind what one has."""


class SessionKnn:
    """V-SKNN over the sessions of all users, and popularity behind it.

    A session is a run of a user's events without a pause of more than half an hour. The item at place p of the n of the
    current session, newest first, weighs (n - p) / n. A neighbour's similarity is the sum of the weights of the items
    that it shares; it adds similarity / (1 + place of the newest shared item) to the score of each of its items.
    Let r be the share of events so far whose item was among the user's last ones. The scores of items that the user
    lacks are made to sum to 1 - r, and the user's own items share r by 1 / (1 + place).

    >>> rival = SessionKnn()
    >>> for user, item in (("ann", 0), ("ann", 1), ("bob", 2), ("cem", 0)): rival.learn(user, item, 1.0, 60.0)
    >>> rival.scores("cem", 3, 60.0).round(3).tolist()
    [0.0, 1.0, 0.0]
    """

    pointwise = False

    def __init__(self, seed: int = 1) -> None:
        del seed
        self._sessions: list[array[int]] = []  # distinct items of each session
        self._holders: dict[int, array[int]] = {}  # item -> the sessions that have it, in the order of their starts
        self._open: dict[str, tuple[int, float]] = {}  # user -> last session, time of the last event
        self._own: dict[str, list[int]] = {}  # user -> the last distinct items, newest first
        self._counts = np.zeros(256)
        self._similar = np.zeros(256)  # by session; zero between two questions
        self._newest = np.zeros(256, np.int64)
        self._learned = self._returned = 0

    def learn(self, user: str, item: int, target: float, when: float) -> None:
        """Add a wanted item to the user's session; sampled negatives say nothing here."""
        if target <= 0:
            return
        number, last = self._open.get(user, (-1, when))
        if number < 0 or when - last > SESSION_GAP:
            number = len(self._sessions)
            self._sessions.append(array("i"))
        self._open[user] = number, when
        if item not in self._sessions[number]:
            self._sessions[number].append(item)
            insort(self._holders.setdefault(item, array("i")), number)
        own = self._own.setdefault(user, [])
        self._learned += 1
        if item in own:
            self._returned += 1
            own.remove(item)
        own.insert(0, item)
        del own[LENGTH:]
        self._counts = _grown(self._counts, item)
        self._counts[item] += 1.0

    def catch_up(self, when: float) -> None:
        """Do nothing: it is always up to date."""

    def scores(self, user: str, count: int, when: float) -> Array:
        """Score items by the sessions nearest to the user's; all others by their counts, below them."""
        self._counts = _grown(self._counts, count)
        scores = LEAST * self._counts[:count] / max(float(self._counts.sum()), 1.0)
        own = self._own.get(user)
        if own:
            sessions, weights = self._neighbours(user, own, when)
            items = [np.frombuffer(self._sessions[each], np.int32) for each in sessions.tolist()]
            found = np.zeros(count)
            if items:
                lengths = [len(each) for each in items]
                found += np.bincount(np.concatenate(items), np.repeat(weights, lengths), count)[:count]
            found[own] = 0.0
            back, reminders = self._returned / self._learned, 1.0 / np.arange(1, len(own) + 1)
            scores += (1.0 - back) * found / max(float(found.sum()), LEAST)
            scores[own] += back * reminders / reminders.sum()
        return np.asarray(scores)

    def _neighbours(self, user: str, own: list[int], when: float) -> tuple[Array, Array]:
        """Find the nearest sessions and the weight of each."""
        self._similar = _grown(self._similar, len(self._sessions))
        self._newest = _grown(self._newest, len(self._sessions))
        found = [np.frombuffer(self._holders[item][-SAMPLED - 1 :], np.int32) for item in own]
        for place in reversed(range(len(own))):
            self._similar[found[place]] += len(own) - place  # whole numbers, so that equal ones tie
            self._newest[found[place]] = place
        sessions = np.unique(np.concatenate(found))
        number, last = self._open[user]
        if when - last <= SESSION_GAP:
            sessions = sessions[sessions != number]
        sessions = sessions[-SAMPLED:]
        nearest = sessions[np.lexsort((-sessions, -self._similar[sessions]))[:NEIGHBOURS]]
        weights = self._similar[nearest] / len(own) / (1.0 + self._newest[nearest])
        for each in found:
            self._similar[each] = 0.0
        return nearest, weights

    def predicted(self, scores: Array) -> Array:
        """Return the scores, which predict no target: this is not used."""
        return scores

    def memory(self) -> int:
        """Count the numbers kept, and 100 bytes for each list of them."""
        kept = sum(len(each) for each in self._sessions) + sum(len(each) for each in self._holders.values())
        lists = len(self._sessions) + len(self._holders) + 2 * len(self._own)
        return int(4 * kept + 100 * lists + 8 * sum(len(each) for each in self._own.values()) + self._counts.nbytes)

    def notes(self) -> dict[str, Any]:
        """Report the number of sessions."""
        return {"sessions": len(self._sessions)}


def _grown(values: Array, least: int) -> Array:
    """Return an array that has a place for `least`: a doubled copy when it had none."""
    if least < len(values):
        return values
    grown = np.zeros(2 * (least + 1), values.dtype)
    grown[: len(values)] = values
    return grown


SESSIONS: Final[dict[str, Maker]] = {"vsknn": SessionKnn}
"""Makers by name."""
