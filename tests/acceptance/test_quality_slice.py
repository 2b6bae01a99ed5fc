"""Ranking quality fails like a broken test: real purchases, today's ranks against the recorded ones, event by event."""

import json

import numpy as np

from tests.support.oracles.quality_slice import RECORD, WATCHED, losses, measured


def test_no_served_ranking_is_worse_than_recorded_beyond_the_noise() -> None:
    recorded, now = json.loads(RECORD.read_text()), measured()
    assert now["evaluated"] == recorded["evaluated"], "other events were evaluated: the figures cannot be compared"
    lost = losses(recorded, now)
    assert lost == [], f"{lost}; if that is meant: python -m tests.support.oracles.quality_slice"
    best = max(found["hr@20"] for name, found in now["contenders"].items() if name not in {*WATCHED, "linear"})
    assert now["contenders"]["served"]["hr@20"] >= best


def test_a_loss_differs_from_noise_and_a_gain_is_no_loss() -> None:
    recorded = json.loads(RECORD.read_text())

    def changed(change) -> dict:
        return {"ranks": {name: change(np.array(recorded["ranks"][name])) for name in WATCHED}}

    assert losses(recorded, recorded) == []
    assert losses(recorded, changed(lambda ranks: np.minimum(ranks, 1))) == []
    assert losses(recorded, changed(lambda ranks: np.roll(ranks, 1))) == []  # each event differs, the mean does not
    worse = losses(recorded, changed(lambda ranks: np.where(np.arange(len(ranks)) % 6, ranks, 0)))
    assert {(loss.contender, loss.measure) for loss in worse} == {
        (name, of) for name in WATCHED for of in ("hr", "mrr")
    }
