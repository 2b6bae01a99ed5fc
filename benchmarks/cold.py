"""Measures how well untouched items are ranked, by what is known of them, on the streams of ../shared/data.

Each stream runs once per variant: without the catalogue (an item is unknown until its first event), with category,
brand and price of every item from the start, and also with a vector of its title, by its words or by the text model
(extra `text`). More events are tested than in `quality`, because cold items are rare in the streams with titles.
"""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from typing import Any

from benchmarks.streams import LIMITS, Facts, Stream, load
from models.recommender import (
    CONTENDERS,
    Recommender,
    RecommenderOptions,
    Tested,
    hits,
    joined,
    new_state,
    reciprocal_ranks,
)
from models.records import ItemFacts
from streaming.intake import contents_by

SUMMARY = "Items that nobody has touched: HR@20 and MRR@20 with and without what the catalogue says of them"

TESTED = {"movielens_100k": 1, "online_retail_ii": 4}
"""Every n-th event is tested; in the other streams as many as in `quality`."""

POSITIONS, WARM, CHUNK = 4000, 0.1, 2000
RANKER = CONTENDERS.index("ranker")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add an option for the streams."""
    parser.add_argument("--streams", nargs="+", default=list(LIMITS), choices=list(LIMITS))


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run every variant of every stream once: the figures vary with the seed alone."""
    results = {name: measure(load(name), options.seed) for name in options.streams}
    return {"figures": [figure for name in results for figure in _figures(name, results[name])], "streams": results}


def variants(stream: Stream) -> dict[str, dict[str, Facts]]:
    """Return, by name, the facts of every item that are known from the start."""
    bare = {item: facts._replace(content=None) for item, facts in stream.facts.items()}
    found = {"unknown": {}, "facts": bare}
    if stream.titles:
        models = ["words", *(["wordllama"] if find_spec("wordllama") else [])]
        found |= {model: _with_titles(bare, stream.titles, model) for model in models}
    return found


def _with_titles(facts: dict[str, Facts], titles: dict[str, str], model: str) -> dict[str, Facts]:
    vectors = contents_by(model)([ItemFacts(title=title) for title in titles.values()])
    known = dict(zip(titles, vectors, strict=True))
    return {item: told._replace(content=known.get(item)) for item, told in facts.items()}


def measure(stream: Stream, seed: int) -> dict[str, Any]:
    """Run all variants of one stream: the ranker's figures for touched and untouched targets."""
    found = {}
    for name, catalogue in variants(stream).items():
        tested = replay(stream, catalogue, seed)
        late = tested.places >= WARM * len(stream.events)
        cold = tested.known < 0
        found[name] = {part: _score(tested.ranks[late & mask]) for part, mask in (("cold", cold), ("touched", ~cold))}
    return found


def replay(stream: Stream, catalogue: dict[str, Facts], seed: int) -> Tested:
    """Test and learn a stream whose catalogue is known from the start; `places` are positions in it."""
    every = TESTED.get(stream.name, max(1, len(stream.events) // POSITIONS))
    settings = RecommenderOptions(test_every=every)
    recommender, parts = Recommender(new_state(settings, seed), settings), []
    recommender.describe(catalogue.items())
    for start in range(0, len(stream.events), CHUNK):
        events = stream.events[start : start + CHUNK]
        part = recommender.learn_events(events, [event.timestamp for event in events], catalogue or stream.facts)
        parts.append(part._replace(places=part.places + start))
    return joined(parts)


def _score(ranks: Any) -> dict[str, float]:
    ranks = ranks[:, RANKER]
    if not len(ranks):
        return {"n": 0}
    hit, reciprocal = hits(ranks), reciprocal_ranks(ranks)
    root = len(ranks) ** 0.5
    return {
        "n": len(ranks),
        "hr@20": round(float(hit.mean()), 4),
        "hr_se": round(float(hit.std()) / root, 4),
        "mrr@20": round(float(reciprocal.mean()), 4),
        "mrr_se": round(float(reciprocal.std()) / root, 4),
        "among_candidates": round(float((ranks > 0).mean()), 4),
    }


def _figures(name: str, found: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "name": f"{name}, {variant}: {part} {measure_of}",
            "value": scores[measure_of],
            "unit": f"+- {scores[measure_of.partition('@')[0] + '_se']}, n = {scores['n']}",
            "must": None,
            "goal": None,
            "reached": "",
        }
        for variant, parts in found.items()
        for part, scores in parts.items()
        if scores["n"]
        for measure_of in ("hr@20", "mrr@20")
    ]
