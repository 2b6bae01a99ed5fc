"""`sluicegate import` with a real Redis: the version it writes, the learner that starts from it, when it must not."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from models.recommender.recommender import Recommender
from models.state.schema import SCHEMA
from service.cli.main import app
from streaming.intake.parameters import recommender_settings
from streaming.store.store import Store
from streaming.versions import loading as versions
from tests.support.processes.harness import Installation
from tests.support.streams.streams import Shop


@pytest.fixture
def ours(broker: str, redis_url: str, tmp_path: Path) -> Iterator[Installation]:
    with Installation(broker, redis_url, tmp_path, 1) as made:
        yield made


def run(ours: Installation, *words: str) -> Result:
    return CliRunner().invoke(app, ["import", *words], env=ours._environ)


def shelf(folder: Path, ids: list[str], width: int = 32) -> Path:
    """A file: the items stand in pairs of nearly equal vectors, the first is the most popular."""
    rng = np.random.default_rng(5)
    vectors = np.repeat(rng.normal(size=(len(ids) // 2, width)), 2, axis=0) + 0.05 * rng.normal(size=(len(ids), width))
    path = folder / "shelf.npz"
    np.savez(path, ids=np.array(ids), vectors=vectors, counts=np.arange(len(ids), 0, -1))
    return path


def test_a_learner_starts_from_the_import_and_the_service_recommends_by_it(ours: Installation, tmp_path: Path):
    ids = [f"ours-{at}" for at in range(40)]
    path = shelf(tmp_path, ids)
    tried = json.loads(run(ours, str(path), "--dry-run", "--json").stdout)
    assert tried["items"] == 40
    assert tried["version"] == ""
    assert versions.load(ours.store, "head", SCHEMA, served_only=False) is None
    done = json.loads(run(ours, str(path), "--json").stdout)
    assert done["new"] == done["vectors"] == done["counts"] == 40

    service, learner = ours.service(), ours.learner()
    ours.wait(lambda: service.get("/model")[1].get("version") == done["version"], "the import is served", service)
    assert [item["item_id"] for item in service.get("/popular?n=3")[1]["items"]] == ids[:3]

    ours.send(Shop(seed=41).stream(300, time.time() - 3.0, interval=0.01))
    ours.wait_learnt(learner)
    learner.terminate()
    assert learner.wait_exit() == 0
    state = ours.load().state
    assert set(ids) <= set(state.keys["item"].rows)
    recommender = Recommender(state, recommender_settings(ours.settings))
    ranking = recommender.rank([ids[7]], [time.time()], [0], time.time(), 50, by="machine")
    assert next(item for item in ranking.items if item in ids and item != ids[7]) == ids[6]


def test_importing_into_a_model_is_refused_while_a_learner_runs_and_keeps_what_it_has_learned(
    ours: Installation, tmp_path: Path
):
    learner = ours.learner()
    ours.send(Shop(seed=42).stream(500, time.time() - 5.0, interval=0.01))
    ours.wait_learnt(learner)
    waits = shelf(tmp_path, ["a", "b"])
    refused = run(ours, str(waits))
    assert refused.exit_code == 1
    assert "a learner holds the lease" in refused.output
    assert "Stop it" in refused.output
    assert run(ours, str(waits), "--dry-run").exit_code == 0
    learner.terminate()
    assert learner.wait_exit() == 0
    before = ours.load()
    known = [item for item in before.state.keys["item"].ids if item][:2]
    done = json.loads(run(ours, str(shelf(tmp_path, [*known, "new-1", "new-2"])), "--json").stdout)
    assert (done["items"], done["new"]) == (4, 2)
    after = ours.load()
    assert after.manifest.id == done["version"]
    assert after.manifest.kind == "base"
    assert after.manifest.progress == before.manifest.progress
    counts = [
        each.state.tables["item_stats"].columns["events"][: len(before.state.keys["item"])] for each in (before, after)
    ]
    assert counts[0].tobytes() == counts[1].tobytes()
    learner = ours.learner()
    ours.send(Shop(seed=43).stream(100, time.time() - 1.0, interval=0.01))
    ours.wait_learnt(learner)
    ours.verify()


def test_the_lease_is_given_back_after_an_import(ours: Installation, tmp_path: Path):
    assert run(ours, str(shelf(tmp_path, ["a", "b"]))).exit_code == 0
    lease = Store.for_lease(ours.settings).acquire_lease("somebody", 4.0)
    assert lease is not None


def test_vectors_of_another_width_need_an_option(ours: Installation, tmp_path: Path):
    path = shelf(tmp_path, [f"i{at}" for at in range(80)], width=64)
    refused = run(ours, str(path))
    assert refused.exit_code == 2
    assert "add --project" in refused.output
    done = run(ours, str(path), "--project")
    assert done.exit_code == 0
    assert "vectors of 64 numbers were reduced" in done.output
