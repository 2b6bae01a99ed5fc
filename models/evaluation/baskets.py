"""Baskets: what a user buys at one moment is one question, asked once before any line of it is learned.

Asked line by line, all but the first line of an order are ranked with the earlier ones known, which flatters everybody.
Protocol and the two kinds of targets, repeats and new items, follow M. Li, S. Jullien, M. Ariannezhad and M. de Rijke,
"A Next Basket Recommendation Reality Check", ACM TOIS 41(4), 2023, sections 3 and 4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

import numpy as np

from models.arrays import Array
from models.dimensions import PURCHASE
from models.evaluation.basket_rivals import BASKET_RIVALS, BasketRival
from models.evaluation.protocol import Plan, warm_up
from models.recommender import EventLike
from models.statistics import paired, standard_error

ASKED: Final = 1_000
"""Baskets that are asked about, at most: spread evenly over the stream past the warm-up."""

LEAST: Final = 50
"""Fewer baskets give no figures."""

LINES: Final = 1.2
"""Mean items of a basket below which a stream has no baskets to speak of: each purchase is a question of its own."""

MEASURES: Final = ("recall", "hr", "mrr", "ndcg")
"""`mrr` is of the first item that is found; `ndcg` is relative to a list with all items of the basket first."""

TARGETS: Final = ("all", "repeats", "new")
"""Which items of a basket are looked for: those that the user had bought before, the others, or both."""


class Basket(NamedTuple):
    """Purchases of one user with one time stamp."""

    place: int  # of the first line in the stream
    user_id: str
    when: float  # epoch seconds
    items: tuple[str, ...]  # each once, in the order of the lines
    bought: frozenset[str]  # those of `items` that the user had bought before


def baskets(events: Sequence[EventLike]) -> list[Basket]:
    """Group the purchases of a stream, which is in time order, by user and time stamp.

    >>> from collections import namedtuple
    >>> Line = namedtuple("Line", "kind user_id item_id timestamp")
    >>> lines = [Line(PURCHASE, *each) for each in (("ann", "tea", 1.0), ("bob", "jam", 1.0), ("ann", "milk", 1.0))]
    >>> found = baskets([*lines, Line(PURCHASE, "ann", "tea", 2.0)])
    >>> [(each.user_id, each.items, sorted(each.bought)) for each in found]
    [('ann', ('tea', 'milk'), []), ('bob', ('jam',), []), ('ann', ('tea',), ['tea'])]
    """
    grouped: dict[tuple[str, float], tuple[int, dict[str, None]]] = {}
    for place, event in enumerate(events):
        if event.kind == PURCHASE and event.item_id is not None:
            _, items = grouped.setdefault((event.user_id, event.timestamp), (place, {}))
            items[event.item_id] = None
    bought: dict[str, set[str]] = {}
    found = []
    for (user, when), (place, items) in grouped.items():
        own = bought.setdefault(user, set())
        found.append(Basket(place, user, when, tuple(items), frozenset(own & items.keys())))
        own.update(items)
    return found


def asked(found: Sequence[Basket], events: int) -> list[Basket]:
    """Choose the baskets to ask about: past the warm-up, evenly spread; none where there are too few, or only lines."""
    late = [basket for basket in found if basket.place >= warm_up(events)]
    if len(late) < LEAST or sum(len(basket.items) for basket in late) < LINES * len(late):
        return []
    return late[:: -(-len(late) // ASKED)]


def rival_lists(
    found: Sequence[Basket], chosen: Sequence[Basket], k: int, make: Callable[[], BasketRival]
) -> list[list[str]]:
    """Ask a new rival for the list before each of the chosen baskets, in their order; it learns all of them."""
    rival, wanted, lists = make(), {basket.place for basket in chosen}, []
    for basket in found:
        if basket.place in wanted:
            lists.append(list(islice(rival.ranked(basket.user_id), k)))
        rival.learn(basket.user_id, basket.items)
    return lists


def measured(basket: Basket, ranked: Sequence[str], k: int, targets: str = "all") -> tuple[float, ...] | None:
    """Values of `MEASURES` for one list; None where the basket has no such targets.

    >>> basket = Basket(0, "ann", 1.0, ("tea", "milk"), frozenset({"milk"}))
    >>> measured(basket, ["jam", "milk"], 20)[:3], measured(basket, ["jam", "milk"], 20, "new")
    ((0.5, 1.0, 0.5), (0.0, 0.0, 0.0, 0.0))
    """
    wanted = {"all": set(basket.items), "repeats": basket.bought, "new": set(basket.items) - basket.bought}[targets]
    if not wanted:
        return None
    ranks = np.array([rank for rank, item in enumerate(ranked[:k], 1) if item in wanted])
    best = np.arange(1, min(k, len(wanted)) + 1)
    gain, ideal = (float((1.0 / np.log2(1.0 + each)).sum()) for each in (ranks, best))
    first = float(1.0 / ranks[0]) if len(ranks) else 0.0
    return len(ranks) / len(wanted), float(len(ranks) > 0), first, gain / ideal


def basket_report(
    found: Sequence[Basket], chosen: Sequence[Basket], lists: Mapping[str, Sequence[Sequence[str]]], plan: Plan
) -> dict[str, Any]:
    """Figures of every contender, and the served order against the rival with the best recall.

    Args:
        found: All baskets of the stream.
        chosen: Those that were asked about.
        lists: Contender -> one list per chosen basket; must have `served` and the rivals.
        plan: Gives k and the seed of the bootstrap.
    """
    rivals = list(BASKET_RIVALS)
    recall = {name: _values(chosen, each, plan.k, "all")[:, 0] for name, each in lists.items()}
    best = max(rivals, key=lambda name: float(recall[name].mean()))
    names = [*recall]
    against = paired(np.stack([recall[name] for name in names], axis=1), names.index(best), plan.seed)
    ratio = against[names.index("served")].ratio
    return {
        "baskets": len(found),
        "asked": len(chosen),
        "mean_items": round(sum(len(each.items) for each in chosen) / len(chosen), 2),
        "contenders": {name: _figures(chosen, each, plan.k) for name, each in lists.items()},
        "best_rival": best,
        "ratio_to_best_rival": _rounded(ratio.value),
        "ratio_interval": [_rounded(ratio.low), _rounded(ratio.high)],
    }


def _rounded(value: float | None) -> float | None:
    """Four digits; None, for a rival that never finds anything, stays None."""
    return None if value is None else round(value, 4)


def _figures(chosen: Sequence[Basket], lists: Sequence[Sequence[str]], k: int) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for targets in TARGETS:
        values = _values(chosen, lists, k, targets)
        means = values.mean(axis=0).tolist() if len(values) else [None] * len(MEASURES)
        part = {f"{name}@{k}": _rounded(mean) for name, mean in zip(MEASURES, means, strict=True)}
        if targets == "all":
            figures |= part | {"n": len(values), "se": round(standard_error(values[:, 0]), 4)}
        else:
            figures[targets] = part | {"n": len(values)}
    return figures


def _values(chosen: Sequence[Basket], lists: Sequence[Sequence[str]], k: int, targets: str) -> Array:
    """Stack the values of the baskets that have such targets, (baskets, measures)."""
    rows = [measured(basket, ranked, k, targets) for basket, ranked in zip(chosen, lists, strict=True)]
    return np.array([row for row in rows if row is not None]).reshape(-1, len(MEASURES))
