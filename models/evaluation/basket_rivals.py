"""Rivals that rank for whole baskets: how often each item was bought by the user, and by users like that one.

Both are hard to beat where people buy the same again (Li et al., "A Next Basket Recommendation Reality Check", 2023).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Final, Protocol

import numpy as np

NEIGHBOURS: Final = 300
GROUPS: Final = 7
WITHIN: Final = 0.9
BETWEEN: Final = 0.7
OWN: Final = 0.7
"""TIFU-KNN's numbers for Ta-Feng, a supermarket (Hu et al. 2020, section 5.3): k, m, r_b, r_g and alpha."""


class BasketRival(Protocol):
    """A model that learns whole baskets."""

    def learn(self, user: str, items: Sequence[str]) -> None:
        """Learn the next basket of a user; `items` has each item once."""

    def ranked(self, user: str) -> Iterator[str]:
        """Yield items for the user's next basket, best first, each once."""


class PersonalFrequency:
    """The items that the user bought most often, then those that everybody did (GP-TopFreq in Li et al.).

    >>> rival = PersonalFrequency()
    >>> for each in (("ann", ("tea", "milk")), ("ann", ("milk",)), ("bob", ("jam", "milk"))): rival.learn(*each)
    >>> list(rival.ranked("ann")), list(rival.ranked("nobody"))
    (['milk', 'tea', 'jam'], ['milk', 'tea', 'jam'])
    """

    def __init__(self) -> None:
        self._own: dict[str, Counter[str]] = {}
        self._all: Counter[str] = Counter()

    def learn(self, user: str, items: Sequence[str]) -> None:
        """Count each item once."""
        self._own.setdefault(user, Counter()).update(items)
        self._all.update(items)

    def ranked(self, user: str) -> Iterator[str]:
        """Yield the user's own items by their count, then all others by theirs; ties by the first purchase."""
        own = self._own.get(user, Counter())
        yield from (item for item, _ in own.most_common())
        yield from (item for item, _ in self._all.most_common() if item not in own)


class TifuKnn:
    """Vectors of temporal item frequencies, the user's own mixed with those of the nearest users.

    H. Hu, X. He, J. Gao, Z.-L. Zhang, "Modeling Personalized Item Frequency Information for Next-basket
    Recommendation", SIGIR 2020, sections 4.1 and 4.2. The baskets of a user, oldest first, are cut into `GROUPS` groups
    of equal size. A group's vector is the mean of its baskets, each with weight WITHIN ** (baskets after it in the
    group); the user's vector is the mean of the groups, each with weight BETWEEN ** (groups after it). Neighbours are
    the users at the least Euclidean distance; the prediction is OWN * own + (1 - OWN) * mean of the neighbours.

    >>> rival = TifuKnn()
    >>> for user, items in (("ann", ("tea",)), ("bob", ("tea", "jam")), ("cem", ("oil",))): rival.learn(user, items)
    >>> list(rival.ranked("ann"))
    ['tea', 'jam', 'oil']
    """

    def __init__(self, neighbours: int = NEIGHBOURS) -> None:
        self._neighbours = neighbours
        self._baskets: list[list[Sequence[str]]] = []
        self._numbers: dict[str, int] = {}
        self._vectors: list[dict[str, float]] = []
        self._squares = np.zeros(256)
        self._holders: dict[str, dict[int, float]] = {}  # item -> user -> weight
        self._stale: set[int] = set()
        self._popular: Counter[str] = Counter()

    def learn(self, user: str, items: Sequence[str]) -> None:
        """Keep the basket; the user's vector is made when somebody is ranked for."""
        number = self._numbers.setdefault(user, len(self._numbers))
        if number == len(self._baskets):
            self._baskets.append([])
            self._vectors.append({})
        self._baskets[number].append(tuple(items))
        self._stale.add(number)
        self._popular.update(items)

    def ranked(self, user: str) -> Iterator[str]:
        """Yield items by their predicted frequency, then those that nobody near had bought, by popularity."""
        self._refresh()
        number = self._numbers.get(user)
        scores: defaultdict[str, float] = defaultdict(float)
        if number is not None:
            for near in (found := self._nearest(number)):
                for item, weight in self._vectors[near].items():
                    scores[item] += (1.0 - OWN) * weight / len(found)
            for item, weight in self._vectors[number].items():
                scores[item] += OWN * weight
        rest = (item for item, _ in self._popular.most_common() if item not in scores)
        return chain(sorted(scores, key=lambda item: -scores[item]), rest)

    def _nearest(self, number: int) -> list[int]:
        products = np.zeros(len(self._vectors))
        for item, weight in self._vectors[number].items():
            holders = self._holders[item]
            products[list(holders)] += weight * np.fromiter(holders.values(), np.float64, len(holders))
        distances = self._squares[: len(products)] - 2.0 * products
        distances[number] = np.inf
        count = min(self._neighbours, len(products) - 1)
        return [int(each) for each in np.argsort(distances, kind="stable")[:count]]

    def _refresh(self) -> None:
        if len(self._vectors) > len(self._squares):
            grown = np.zeros(2 * len(self._vectors))
            grown[: len(self._squares)] = self._squares
            self._squares = grown
        for number in self._stale:
            for item in self._vectors[number]:
                del self._holders[item][number]
            vector = frequencies(self._baskets[number])
            for item, weight in vector.items():
                self._holders.setdefault(item, {})[number] = weight
            self._vectors[number] = vector
            self._squares[number] = sum(weight * weight for weight in vector.values())
        self._stale.clear()


def frequencies(baskets: Sequence[Sequence[str]]) -> dict[str, float]:
    """The vector of one user's baskets, oldest first (equations 1 to 3).

    >>> frequencies([("tea",), ("tea", "jam")])
    {'tea': 0.85, 'jam': 0.5}
    """
    size = -(-len(baskets) // GROUPS)
    # The newest groups are whole: what does not fill a group is the oldest.
    ends = range(len(baskets), 0, -size)
    groups = [baskets[max(0, end - size) : end] for end in ends]  # newest first
    vector: dict[str, float] = {}
    for age, group in enumerate(groups):
        for behind, basket in enumerate(reversed(group)):
            weight = BETWEEN**age * WITHIN**behind / (len(group) * len(groups))
            for item in basket:
                vector[item] = vector.get(item, 0.0) + weight
    return vector


BASKET_RIVALS: Final[Mapping[str, Callable[[], BasketRival]]] = {
    "personal_frequency": PersonalFrequency,
    "tifu_knn": TifuKnn,
}
"""Makers by name."""
