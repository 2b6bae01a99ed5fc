"""`sluicegate experiment` against a real service: what an operator starts, reads, stops and deletes from the shell."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner, Result

from models.experiments.definition import Arm, Experiment
from models.experiments.tallies import GROUPS, Counts, Measured, Tally
from service.cli.main import app
from streaming.settings.loading import Settings
from tests.conftest import eventually
from tests.support.processes.serving import Learner, Served, keep, service


@pytest.fixture
def served(settings: Settings, taught: Learner) -> Iterator[Served]:
    """A service that serves its first version."""
    version = taught.commit()
    with service(settings) as running:
        eventually(lambda: running.get("/gate").json()["serving"] == version)
        yield running


def experiment(served: Served, *words: str) -> Result:
    return CliRunner().invoke(app, ["experiment", *words, "--url", served.base])


ARMS = ("--arm", "plain=0.5", "--arm", "varied=0.5,diversity=0.4,tags_any=new+sale,order=ranker")


def test_an_operator_starts_one_looks_at_it_stops_it_and_deletes_it(served: Served) -> None:
    assert experiment(served, "list").output.startswith("there is no experiment")
    more = ("--end", "2099-01-01T00:00:00Z", "--segment", "plan:pro")
    started = experiment(served, "start", "variety", *ARMS, "--metric", "revenue", "--reason", "a try", *more)
    assert (started.exit_code, started.output.startswith("variety starts at 20")) == (0, True), started.output
    assert "variety" in experiment(served, "list").output
    (kept,) = json.loads(experiment(served, "list", "--json").output)["experiments"]
    policy = kept["arms"][1]["policy"]
    assert (policy["diversity"], policy["tags_any"], policy["order"]) == (0.4, ["new", "sale"], "ranker")
    shown = experiment(served, "show", "variety").output
    assert "It has not started yet." in shown
    assert "decided by revenue, among users with plan:pro" in shown
    refused = experiment(served, "delete", "variety")
    assert (refused.exit_code, "stop it first" in refused.output) == (1, True), refused.output
    assert "variety stopped since" in experiment(served, "stop", "variety", "--reason", "enough").output
    assert experiment(served, "delete", "variety").output == "variety is deleted; 0 experiments are left\n"


def test_the_results_are_a_sentence_and_a_table(served: Served, taught: Learner) -> None:
    shown = Experiment("variety", "0f" * 8, (Arm("plain", 0.5), Arm("varied", 0.5)), control="plain", minimum=0.0)
    tally = Tally.empty(2)
    for arm, clicks in zip(tally.arms, (10.0, 15.0), strict=True):
        arm.slates, arm.users = (Measured([each] * GROUPS, each * GROUPS) for each in (100.0, 30.0))
        arm.click = Measured([clicks] * GROUPS, clicks * GROUPS)
    keep(taught.store, shown)
    taught.learn([("user-1", "item-1")])
    version = taught.commit(experiments=Counts({shown.id: tally}).packed())
    eventually(lambda: [each["counted_in"] for each in served.get("/experiments").json()["experiments"]] == [version])
    lines = experiment(served, "show", "variety").output.splitlines()
    assert lines[0].startswith("variety running since 1970-01-01")
    assert "varied is better than plain: 50.0 % more clicks on slates per user" in " ".join(map(str.strip, lines))
    assert lines[-1].split()[:5] == ["varied", "0.5", "1,920", "6,400", "960.00"]


MISTAKES = (
    (("start", "variety", "--arm", "plain", "--arm", "b=0.5", "--reason", "a"), 2, "'plain' is not NAME=SHARE"),
    (("start", "variety", "--arm", "a=x", "--arm", "b=0.5", "--reason", "a"), 2, "'x' is no number"),
    (("start", "variety", "--arm", "a=0.5", "--arm", "b=0.9", "--reason", "a"), 1, "the shares add up to 1.4"),
    (("start", "Variety!", *ARMS, "--reason", "a"), 1, "is no name"),
    (("show", "none"), 1, "There is no experiment 'none'"),
    (("stop", "none", "--reason", "a"), 1, "There is no experiment 'none'"),
)


def test_a_mistake_is_one_sentence(served: Served) -> None:
    for words, code, said in MISTAKES:
        found = experiment(served, *words)
        assert found.exit_code == code, found.output
        assert said in " ".join(found.output.split()), found.output
