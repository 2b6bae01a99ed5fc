"""In: the four development streams. Out: hit rate and reciprocal rank of every contender, against the recipe's figures.

The protocol: events in time order; tested is every n-th event (n = events / 4000, so that each contender and each
version of the code sees the same ones) past the first tenth of the stream, if it is positive and anyone had touched
its item before; the share left out by this last rule is `cold`. Rank = 1 + higher scores + ties; beyond 20 is a miss.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from benchmarks.streams import LIMITS, Stream, load
from models.evaluation import CONTENDERS, Tested, hits, joined, reciprocal_ranks
from models.recommender import Recommender, RecommenderSettings, new_state

SUMMARY = "HR@20 and MRR@20 of every contender on four streams, tested before learnt"

RECIPE = {
    "movielens_100k": (0.320, 0.089),
    "rees46_3h": (0.696, 0.474),
    "taobao_users": (0.571, 0.288),
    "online_retail_ii": (0.435, 0.212),
}
"""What the two stages reached in a prototype: the floor."""

WARM = 0.1
POSITIONS = 4000
CHUNK = 2000
SINGLE = 8
DRAWS = 2000


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which streams."""
    parser.add_argument("--streams", nargs="+", default=list(LIMITS), choices=list(LIMITS))


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Every stream once: the figures have no noise but the seed's."""
    results = {name: measure(load(name), options.seed) for name in options.streams}
    return {"figures": [figure for name in results for figure in _figures(name, results[name])], "streams": results}


def measure(stream: Stream, seed: int) -> dict[str, Any]:
    """One stream through one fresh recommender, all defaults."""
    tested = replay(stream, seed)
    late = tested.places >= WARM * len(stream.events)
    known = late & (tested.known >= 0)
    ranks, own = tested.ranks[known], tested.known[known] == 1
    return {
        "events": len(stream.events),
        "n": int(known.sum()),
        "cold": round(float((tested.known[late] < 0).mean()), 4),
        "contenders": {name: _score(ranks[:, at]) for at, name in enumerate(CONTENDERS)},
        "ranker_against_best_source": _paired(ranks, seed),
        "ranker_new_to_user": _score(ranks[~own, CONTENDERS.index("ranker")]),
        "ranker_known_to_user": _score(ranks[own, CONTENDERS.index("ranker")]),
        "target_among_candidates": round(float((ranks[:, CONTENDERS.index("ranker")] > 0).mean()), 4),
    }


def replay(stream: Stream, seed: int) -> Tested:
    """Test and learn a stream; `places` are positions in it."""
    settings = RecommenderSettings(test_every=max(1, len(stream.events) // POSITIONS))
    recommender = Recommender(new_state(settings, seed), settings)
    parts = []
    for start in range(0, len(stream.events), CHUNK):
        events = stream.events[start : start + CHUNK]
        part = recommender.learn_events(events, [event.timestamp for event in events], stream.facts)
        parts.append(part._replace(places=part.places + start))
    return joined(parts)


def _score(ranks: Any) -> dict[str, float]:
    if not len(ranks):
        return {"n": 0}
    hit, reciprocal = hits(ranks), reciprocal_ranks(ranks)
    root = max(len(ranks), 1) ** 0.5
    found = {"hr": hit.mean(), "hr_se": hit.std() / root, "mrr": reciprocal.mean(), "mrr_se": reciprocal.std() / root}
    return {name: round(float(value), 4) for name, value in found.items()} | {"n": len(ranks)}


def _paired(ranks: Any, seed: int) -> dict[str, Any]:
    """Ratio of the ranker to the best single source, for each measure, with a 95 % bootstrap interval over events."""
    generator = np.random.default_rng(seed)
    draws = generator.integers(0, len(ranks), (DRAWS, len(ranks)))
    found = {}
    for name, measure_of in (("hr", hits), ("mrr", reciprocal_ranks)):
        values = measure_of(ranks)
        best = int(values[:, :SINGLE].mean(axis=0).argmax())
        ranker = values[:, CONTENDERS.index("ranker")]
        ratios = ranker[draws].mean(axis=1) / values[:, best][draws].mean(axis=1)
        interval = [round(float(bound), 3) for bound in np.percentile(ratios, [2.5, 97.5])]
        ratio = round(float(ranker.mean() / values[:, best].mean()), 3)
        found[name] = {"best": CONTENDERS[best], "ratio": ratio, "interval": interval}
    return found


def _figures(name: str, result: dict[str, Any]) -> list[dict[str, Any]]:
    ranker, recipe = result["contenders"]["ranker"], RECIPE[name]
    return [
        {
            "name": f"{name} {measure_of}",
            "value": ranker[measure_of],
            "unit": f"+- {ranker[f'{measure_of}_se']}, n = {result['n']}",
            "must": None,
            "goal": floor,
            "reached": "goal" if ranker[measure_of] >= floor else "neither",
        }
        for measure_of, floor in zip(("hr", "mrr"), recipe, strict=True)
    ]
