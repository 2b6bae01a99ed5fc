"""Results of quality that are stored a stream at a time: what is kept of the stored one, and what has to run again."""

from __future__ import annotations

import json

import pytest

from benchmarks import kept
from tests.support.processes.processes import Missing

OLD = {"commit": "0123456789ab", "measured_at": "2026-01-02T03:04Z"}


def contender(hits):
    return {"hr@20": hits, "mrr@20": hits / 2, "us_per_event": 1.0, "us_per_ranking": 2.0}


def stream(best=None, evaluated=100, **contenders):
    return {
        "stream": {"evaluated": evaluated},
        "protocol": {"seed": 1},
        "contenders": {name.replace("_at_", "."): contender(hits) for name, hits in contenders.items()},
        "best_rival": best and {measure: {"rival": best} for measure in ("hr@20", "mrr@20")},
        "pointwise": {},
        "not_run": {},
    }


@pytest.fixture
def stored(tmp_path):
    def write(**streams):
        path = tmp_path / "quality.json"
        path.write_text(json.dumps({"streams": {name: OLD | found for name, found in streams.items()}}))
        return path

    return write


def test_a_stream_that_did_not_run_is_kept_in_its_place(stored) -> None:
    path = stored(first=stream(served=0.2), second=stream(served=0.3))
    found = kept.added({"second": stream(served=0.4)}, ["first", "second", "third"], path)
    assert list(found) == ["first", "second"]
    assert found["first"] == OLD | stream(served=0.2)
    assert found["second"] == stream(served=0.4)


def test_a_rival_that_did_not_run_is_kept_with_its_run_and_without_its_times(stored) -> None:
    path = stored(first=stream(served=0.2, vsknn=0.1, als_at_daily=0.05))
    found = kept.added({"first": stream("vsknn", served=0.3, vsknn=0.1)}, ["first"], path)
    figures = found["first"]["contenders"]
    assert figures["als.daily"] == contender(0.05) | OLD | {"us_per_event": None, "us_per_ranking": None}
    assert figures["served"] == contender(0.3)
    again = kept.added({"first": stream("vsknn", served=0.3, vsknn=0.1)}, ["first"], stored(first=found["first"]))
    assert again["first"]["contenders"]["als.daily"] == figures["als.daily"]


def test_a_recommender_of_the_stored_result_is_never_kept(stored) -> None:
    path = stored(first=stream(served=0.2, linear=0.1))
    found = kept.added({"first": stream("vsknn", served=0.3, vsknn=0.1)}, ["first"], path)
    assert "linear" not in found["first"]["contenders"]


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (stream("vsknn", evaluated=99, served=0.3, vsknn=0.1), "other events"),
        (stream("vsknn", served=0.3, vsknn=0.04), "better by hr@20"),
        (stream(served=0.3), "no rival ran"),
    ],
)
def test_a_rival_that_cannot_be_compared_has_to_run(stored, now, words) -> None:
    path = stored(first=stream(served=0.2, als_at_daily=0.05))
    with pytest.raises(Missing, match=words):
        kept.added({"first": now}, ["first"], path)
