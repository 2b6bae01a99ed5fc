"""Measures what `group_id` gains, on real streams whose items are split into made-up variants.

Every event names one of three variants of its item, by a hash of its user and moment, so that all lines of an order
fall on the same one. The catalogue is known from the start. A page of 20 is asked for just before each tested event,
and a hit is any variant of the product. The rows are: whole items, as an upper bound; variants that nothing holds
together; the same model with one variant of each product on a page, as the service makes it; and `group_id` in
learning as well.
"""

from __future__ import annotations

import argparse
from collections import defaultdict, deque
from typing import Any, Final, NamedTuple

import numpy as np
import xxhash

from benchmarks.streams import Event, Facts, Stream, load
from models.arrays import Array
from models.dimensions import RING
from models.recommender import (
    DEPTH,
    Groups,
    Recommender,
    RecommenderOptions,
    hits,
    is_history,
    is_positive,
    new_state,
    reciprocal_ranks,
)
from models.warmup import warm
from service.serving.variants import DEEPER, one_each

SUMMARY = "What group_id gains: HR@20 and MRR@20 of the product, on streams whose items are split into variants"

STREAMS: Final = ("rees46_3h", "online_retail_ii")
"""Those with purchases whose items have several events: one of Taobao's has 1.6, half an event for each variant."""

TESTED: Final = 2_500
"""Events of a stream that are tested."""

WARM: Final = 0.1
"""First share of a stream, which is not tested."""

MEASURES: Final = {"hr@20": hits, "mrr@20": reciprocal_ranks}


class Answers(NamedTuple):
    """The pages of one run, an element for each tested event; ranks are 0 for none."""

    product: Array  # (n,) rank of the first variant of the product
    spread: Array  # (n,) the same on pages with one variant of each product
    own: Array  # (n,) rank of the very variant
    own_spread: Array  # (n,) the same on pages with one variant of each product
    new: Array  # (n,) bool: nobody had touched the variant, but another one of its product


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add options for the streams, their length, and how many variants an item has."""
    parser.add_argument("--streams", nargs="+", default=list(STREAMS), choices=list(STREAMS))
    parser.add_argument("--events", type=int, default=20_000, help="first events of each (default: %(default)s)")
    parser.add_argument("--variants", type=int, default=3, help="variants of an item (default: %(default)s)")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run every stream once: the figures vary with the seed alone."""
    warm()
    found = {name: measure(load(name), options) for name in options.streams}
    return {"figures": [figure for name in found for figure in _figures(name, found[name])], "streams": found}


def measure(stream: Stream, options: argparse.Namespace) -> dict[str, Any]:
    """Compare the rows of one stream with variants that nothing holds together, and what learning alone changes."""
    events = stream.events[: options.events]
    whole = answers(split(events, 1), catalogue(events, stream.facts, 1), options.seed, together=False)
    many = split(events, options.variants)
    facts = catalogue(events, stream.facts, options.variants)
    apart, together = (answers(many, facts, options.seed, together=each) for each in (False, True))
    rows = {
        "whole items": (whole.product, apart.product, whole.own),
        "variants": (apart.product, apart.product, apart.own),
        "one on a page": (apart.spread, apart.product, apart.own_spread),
        "group_id": (together.spread, apart.product, together.own_spread),
        "learning alone": (together.spread, apart.spread, together.own_spread),
    }
    parts = {"all": np.ones(len(apart.new), bool), "new variants": apart.new}
    return {
        part: {name: _scores(*(ranks[mask] for ranks in row)) for name, row in rows.items()}
        for part, mask in parts.items()
    }


def split(events: list[Event], variants: int) -> list[Event]:
    """Let each event name a variant of its item: `ITEM/NUMBER`."""
    return [event._replace(item_id=f"{event.item_id}/{_number(event, variants)}") for event in events]


def _number(event: Event, variants: int) -> int:
    return xxhash.xxh3_64_intdigest(f"{event.user_id} {event.timestamp}".encode()) % variants


def product_of(item: str) -> str:
    """Return the item that a variant was split from.

    >>> product_of("a/b/2")
    'a/b'
    """
    return item.rpartition("/")[0]


def catalogue(events: list[Event], facts: dict[str, Facts], variants: int) -> dict[str, Facts]:
    """Return the facts of all variants of the items that occur; those of one item are the same."""
    nothing = Facts(None, None, None)
    items = dict.fromkeys(event.item_id for event in events)
    return {f"{item}/{number}": facts.get(item, nothing) for item in items for number in range(variants)}


def answers(events: list[Event], facts: dict[str, Facts], seed: int, *, together: bool) -> Answers:
    """Learn a stream, and ask for a page before each tested event.

    Args:
        events: The stream, of variants.
        facts: Their facts, known from the start.
        seed: Of the model.
        together: Whether learning knows which items are variants of one product.
    """
    every = max(1, len(events) // TESTED)
    settings = RecommenderOptions(test_every=every)
    recommender = Recommender(new_state(settings, seed), settings)
    recommender.describe(facts.items())
    groups = Groups()
    for item in facts if together else ():
        groups.put(item, product_of(item))
    past: dict[str, deque[Event]] = defaultdict(lambda: deque(maxlen=RING))
    touched, products, done = set[str](), set[str](), 0
    found: list[tuple[int, int, int, int, bool]] = []
    for place, event in enumerate(events):
        if place >= WARM * len(events) and place % every == 0 and is_positive(event):
            waiting = events[done:place]
            recommender.learn_events(waiting, [each.timestamp for each in waiting], facts, groups=groups)
            done = place
            new = event.item_id not in touched and product_of(event.item_id) in products
            found.append((*_ranks(_asked(recommender, past[event.user_id], event), event.item_id), new))
        if is_history(event):
            past[event.user_id].appendleft(event)
        touched.add(event.item_id)
        products.add(product_of(event.item_id))
    return Answers(*[np.array(column) for column in zip(*found, strict=True)])


def _asked(recommender: Recommender, past: deque[Event], event: Event) -> list[str]:
    """As many items as the service makes a page of 20 from, best first."""
    items, times, kinds = [e.item_id for e in past], [e.timestamp for e in past], [e.kind for e in past]
    return recommender.rank(items, times, kinds, event.timestamp, DEPTH * DEEPER).items


def _ranks(ranking: list[str], target: str) -> tuple[int, int, int, int]:
    """Ranks on the page of the target's product and of the target, as ranked and with one variant of each product."""
    first = one_each(product_of, lambda _: True)
    pages = ranking[:DEPTH], [item for item in ranking if first(item)][:DEPTH]
    plain, spread = ([product_of(item) for item in page] for page in pages)
    product = product_of(target)
    return _rank(plain, product), _rank(spread, product), _rank(pages[0], target), _rank(pages[1], target)


def _rank(page: list[str], wanted: str) -> int:
    return page.index(wanted) + 1 if wanted in page else 0


def _scores(ranks: Array, base: Array, own: Array) -> dict[str, Any]:
    """Means, their paired changes against `base` with half of the 95 % interval, and hits on the very variant."""
    found: dict[str, Any] = {"n": len(ranks)}
    if not len(ranks):
        return found
    for name, of in MEASURES.items():
        change = of(ranks) - of(base)
        found[name] = round(float(of(ranks).mean()), 4)
        found[f"{name} change"] = round(float(change.mean()), 4)
        found[f"{name} half interval"] = round(1.96 * float(change.std()) / len(ranks) ** 0.5, 4)
    return found | {"very variant hr@20": round(float(hits(own).mean()), 4)}


def _figures(name: str, found: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "name": f"{name}, {part}, {row}: {of}",
            "value": scores[of],
            "unit": f"{scores[f'{of} change']:+.4f} ({scores[f'{of} half interval']}), n = {scores['n']}",
            "must": None,
            "goal": None,
            "reached": "",
        }
        for part, rows in found.items()
        for row, scores in rows.items()
        if scores["n"]
        for of in MEASURES
    ]
