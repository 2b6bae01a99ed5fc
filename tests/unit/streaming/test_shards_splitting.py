"""When a stream is split, and what is refused with shards."""

from __future__ import annotations

import importlib.util
import time
from importlib.machinery import ModuleSpec

import pytest
from prometheus_client import CollectorRegistry

from models import dimensions as dim
from models.snapshot import Manifest
from streaming.intake import KnownItems
from streaming.learner import USAGE, Stop
from streaming.learning import Model
from streaming.settings import Settings
from streaming.settings.loading import load_settings
from streaming.shards import NotWithShards, Splitting, check, lead
from streaming.shards.splitting import ALONE, ROUNDS, TESTED, learned_enough, past_bootstrap
from streaming.telemetry import LearnerTelemetry

MAPPED = '[{"topic": "shop.orders", "fields": {"event_type": "what", "user_id": "who", "timestamp": "at"}}]'


def settings(**of: str) -> Settings:
    return load_settings(None, {f"SLUICEGATE_{name.upper()}": value for name, value in of.items()})


@pytest.fixture
def ray_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: ModuleSpec(name, None))


@pytest.fixture
def ray_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)


def model(contender: int, tested: int) -> Model:
    made = Model.empty(Settings(), KnownItems())
    made.state.tables["chosen"].columns["contender"][0] = contender
    made.state.tables["race"].columns["tested"][dim.RANKER] = tested
    return made


@pytest.mark.parametrize(
    ("contender", "tested", "past"),
    [(dim.MIDDLE, 0, False), (dim.RANKER, TESTED - 1, False), (dim.MIDDLE, TESTED, False), (dim.RANKER, TESTED, True)],
)
def test_the_stream_is_split_once_the_ranker_orders_slates_and_enough_was_tested(
    contender: int, tested: int, past: bool
) -> None:
    assert past_bootstrap(model(contender, tested)) is past


@pytest.mark.parametrize(
    ("learned", "per_second", "enough"),
    [
        (ROUNDS * 200, 200.0, True),  # a round ends after a second
        (ROUNDS * 200 - 1, 200.0, False),
        (ROUNDS * 16_000, 1e6, True),  # or after as many events as it may have
        (ROUNDS * 16_000 - 1, 1e6, False),
    ],
)
def test_the_stream_is_split_once_a_hundred_rounds_of_events_are_learned(
    learned: int, per_second: float, enough: bool
) -> None:
    made = model(dim.RANKER, TESTED)
    made.state.tables["clock"].columns["applied"][0] = learned
    made.state.tables["progress"].columns["interval"][0] = 1.0 / per_second
    assert learned_enough(made, 1.0, 16_000) is enough
    version = Manifest("1-1-ab", 1, "base")
    asked = settings(learner__shards="2")
    splitting = Splitting(asked, _NoCrew(), LearnerTelemetry(CollectorRegistry()))
    assert splitting.due(made, version) is enough


def test_after_what_shards_cannot_do_one_learner_stays_alone_for_a_while() -> None:
    now = [1_000.0]
    asked = settings(learner__shards="2", learner__split_when="start")
    splitting = Splitting(asked, _NoCrew(), LearnerTelemetry(CollectorRegistry()), lambda: now[0])
    empty, version = model(dim.MIDDLE, 0), Manifest("1-1-ab", 1, "base")
    assert splitting.due(empty, version)
    splitting.stay_alone()
    assert not splitting.due(empty, version)
    now[0] += ALONE
    assert splitting.due(empty, version)
    assert not splitting.due(empty, None)
    assert not splitting.owned(asked.topic("events"), 0)
    assert splitting.owned(asked.topic("items"), 3)
    assert splitting.owned(asked.topic("control"), 0)


@pytest.mark.usefixtures("ray_is_there")
@pytest.mark.parametrize(
    ("of", "says"),
    [
        ({"update__mode": "batch"}, "update.mode is batch"),
        ({"mapping": MAPPED}, "'shop.orders'"),
    ],
)
def test_what_shards_cannot_do_is_refused_by_name(of: dict[str, str], says: str) -> None:
    check(settings(**of))
    with pytest.raises(NotWithShards, match=says):
        check(settings(learner__shards="2", **of))


@pytest.mark.usefixtures("ray_is_missing")
def test_without_ray_the_learner_says_how_to_install_it(caplog: pytest.LogCaptureFixture) -> None:
    check(Settings())
    assert lead(settings(learner__shards="2"), Stop(1.0, time.monotonic), False, None) == USAGE
    assert "pip install 'sluicegate[ray]'" in caplog.text


class _NoCrew:
    """Nobody to call: no round begins in these tests."""
