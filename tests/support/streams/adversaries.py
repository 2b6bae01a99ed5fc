"""Makes streams that defeat a learned ranker, as the recommender reads them, without facts or categories."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from tests.support.streams.shop import START, ShopEvent

Ints = npt.NDArray[np.int64]
PAUSE: Final = 30.0


def _events(users: Ints, items: Ints) -> list[ShopEvent]:
    pairs = zip(users.tolist(), items.tolist(), strict=True)
    return [ShopEvent(0, f"u{user}", f"i{item}", START + PAUSE * n) for n, (user, item) in enumerate(pairs)]


def _zipf(rng: np.random.Generator, items: int, power: float, n: int) -> Ints:
    shares = 1 / np.arange(1, items + 1) ** power
    return rng.choice(items, n, p=shares / shares.sum())


def stationary(rng: np.random.Generator, n: int) -> list[ShopEvent]:
    """A fixed popularity and nothing else: learning more only adds noise."""
    return _events(rng.integers(0, 200, n), _zipf(rng, 500, 1.0, n))


def flat(rng: np.random.Generator, n: int) -> list[ShopEvent]:
    """The same, with items that differ less."""
    return _events(rng.integers(0, 200, n), _zipf(rng, 300, 0.5, n))


def strangers(rng: np.random.Generator, n: int) -> list[ShopEvent]:
    """Every user once."""
    return _events(np.arange(n), _zipf(rng, 500, 1.0, n))


def one_user(rng: np.random.Generator, n: int) -> list[ShopEvent]:
    """All events come from one user."""
    return _events(np.zeros(n, np.int64), _zipf(rng, 500, 1.0, n))


def repeats(rng: np.random.Generator, n: int) -> list[ShopEvent]:
    """Each user has six items of 3,000 and takes any of them."""
    users = rng.integers(0, 300, n)
    own = rng.integers(0, 3000, (300, 6))
    return _events(users, own[users, rng.integers(0, 6, n)])


def cycles(rng: np.random.Generator, n: int) -> list[ShopEvent]:
    """The same six, always in the same order."""
    users = rng.integers(0, 300, n)
    own, turn = rng.integers(0, 3000, (300, 6)), np.zeros(300, np.int64)
    items = np.empty(n, np.int64)
    for at, user in enumerate(users):
        items[at] = own[user, turn[user] % 6]
        turn[user] += 1
    return _events(users, items)


def drift(rng: np.random.Generator, n: int) -> list[ShopEvent]:
    """Popularity is dealt again every 1,500 events."""
    orders = [rng.permutation(500) for _ in range(n // 1500 + 1)]
    drawn = _zipf(rng, 500, 1.0, n)
    items = np.array([orders[at // 1500][item] for at, item in enumerate(drawn)])
    return _events(rng.integers(0, 200, n), items)


def noise(rng: np.random.Generator, n: int) -> list[ShopEvent]:
    """Any of 100 items, evenly: nothing can be learned."""
    return _events(rng.integers(0, 200, n), rng.integers(0, 100, n))


def changing(rng: np.random.Generator, n: int) -> list[ShopEvent]:
    """Popularity for a while, own repeats for a while."""
    popular, own = stationary(rng, n), repeats(rng, n)
    return [(popular if at // 1500 % 2 == 0 else own)[at] for at in range(n)]


STREAMS: Final[dict[str, Callable[[np.random.Generator, int], list[ShopEvent]]]] = {
    made.__name__: made for made in (stationary, flat, strangers, one_user, repeats, cycles, drift, noise, changing)
}
