"""River's regressors judge a share of the events, hold up nothing, and appear in metrics."""

import time
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry

from models.recommender.recommender import Recommender, new_state
from models.recommender.types import RecommenderOptions
from models.records.events import Event
from models.referee.witness import UnknownWitnessError, Witnesses
from streaming.evidence.witness import RECENT, WitnessRunner, declared, pool_of
from streaming.telemetry import LearnerTelemetry
from tests.conftest import eventually

WEIGHTS = (1.0, 1.3, 1.6, 1.9, 1.0, 0.0, -1.0, -1.0, -1.0)


def learnt_state():
    state = new_state(RecommenderOptions(items=1000, users=100))
    events = [Event(0, f"u{n % 5}", f"i{n % 40}", 1_700_000_000.0 + n) for n in range(200)]
    Recommender(state).learn_events(events, [event.timestamp for event in events])
    return state, events


def test_both_default_witnesses_show_their_scores():
    state, events = learnt_state()
    telemetry = LearnerTelemetry(CollectorRegistry())
    paths = ["facto.FMRegressor", "linear_model.LinearRegression"]
    witnessing = WitnessRunner(lambda: Witnesses(time.monotonic, declared(paths), 0.5), WEIGHTS, telemetry)

    def judged(path: str) -> float:
        return telemetry.registry.get_sample_value("sluicegate_witness_events", {"contender": f"river.{path}"}) or 0.0

    witnessing.offer(events, state, 0)
    eventually(lambda: all(judged(path) > 0 for path in paths))
    witnessing.close()
    for path in paths:
        labels = {"contender": f"river.{path}"}
        assert 0 <= telemetry.registry.get_sample_value("sluicegate_witness_hit_rate", labels) <= 1
        assert telemetry.registry.get_sample_value("sluicegate_witness_squared_error", labels) >= 0


def test_a_batch_passes_by_while_the_one_before_is_judged():
    state, events = learnt_state()
    busy = SimpleNamespace(members=[1], watch=lambda *_: time.monotonic(), scores=dict)
    witnessing = WitnessRunner(lambda: busy, WEIGHTS, LearnerTelemetry(CollectorRegistry()))
    witnessing.close()  # nobody takes offers any more
    witnessing.offer(events, state, 0)
    first = witnessing._offer
    witnessing.offer(events, state, 1)
    assert witnessing._offer is first


def test_a_backlog_passes_by():
    state, events = learnt_state()
    idle = SimpleNamespace(watch=lambda *_: None, scores=dict)
    witnessing = WitnessRunner(lambda: idle, WEIGHTS, LearnerTelemetry(CollectorRegistry()))
    witnessing.close()  # what is taken stays
    witnessing.offer(events, state, 0, RECENT + 1)
    assert witnessing._offer is None
    witnessing.offer(events, state, 0, RECENT)
    assert witnessing._offer is not None


def test_items_to_compare_with_come_from_the_pool_of_the_factorization_machine():
    state, _ = learnt_state()
    assert set(pool_of(state, 0)) <= {f"i{n}" for n in range(40)}


def test_a_path_outside_river_is_refused_with_a_message():
    with pytest.raises(UnknownWitnessError, match=r"river"):
        Witnesses(time.monotonic, declared(["os.system"]))
