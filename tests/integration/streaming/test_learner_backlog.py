"""A backlog many times as long as what may run ahead of a version is learned in both modes, and can be cut anywhere."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from models.ledger import admission
from streaming.intake import intake
from streaming.learner.term import Term
from streaming.settings import Settings
from streaming.store import Store
from tests.conftest import eventually
from tests.integration.streaming.test_learner_cutting import UnderWay, clicked, send
from tests.support.processes.serving import changed

BACKLOG, SLACK, STEP, COUNT = 1_200, 64, 16, 100


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows so small that the backlog runs out of them many times."""
    monkeypatch.setattr(admission, "SLACK", SLACK)
    monkeypatch.setattr("streaming.intake.parameters.SLACK", SLACK)
    monkeypatch.setattr(intake, "STEP", STEP)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Without River's estimators; polls far larger than what may run ahead."""
    learner = {"batch_size": 1_000, "version_interval": 0.01}
    return changed(settings, witness={"estimators": ()}, learner=learner)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def under_way(settings: Settings, stack: ExitStack) -> UnderWay:
    send(settings, [clicked(f"user{number % 50}", f"item{number % 30}") for number in range(BACKLOG)])
    term = UnderWay(settings, stack.enter_context(closing(Store.for_histories(settings))))
    stack.callback(term.stack.close)
    return term


def test_nothing_is_accepted_that_the_next_version_could_not_be_cut_before(
    settings: Settings, stack: ExitStack
) -> None:
    term = under_way(settings, stack)
    term.begin()
    ahead = term.model.admission
    eventually(lambda: ahead.room(0) < STEP)
    for records in range(STEP, BACKLOG + 1, STEP):
        assert ahead.position - term.model.progress.arrivals <= SLACK
        ahead.window(term.model.progress.arrivals)
        term.learn(records)
    assert eventually(term.cutter.cut)
    assert term.committed() == BACKLOG


@pytest.mark.parametrize("mode", ["event", "batch"])
def test_a_backlog_is_learned_while_versions_are_cut(settings: Settings, stack: ExitStack, mode: str) -> None:
    """In mode batch every training takes its whole budget while events arrive."""
    update = {"mode": mode, "count": COUNT, "every": 2.0, "passes": 100, "budget_seconds": 0.3}
    term = under_way(changed(settings, update=update), stack)
    failures: list[BaseException] = []

    def run() -> None:
        try:
            Term(term.model, term.parts, term.stop).run()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    stack.callback(thread.join)
    stack.callback(term.stop.set)
    eventually(lambda: failures or term.model.progress.consumed == BACKLOG, timeout=60.0)
    assert not failures
    eventually(lambda: term.committed() == BACKLOG)
