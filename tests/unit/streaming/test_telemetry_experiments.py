"""The metrics of experiments: a series for each arm while the experiment is kept, and none afterwards."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from models.experiments.definition import Arm, Experiment
from models.experiments.results import results
from models.experiments.tallies import GROUPS, Measured, Tally
from streaming.telemetry import LearnerTelemetry

ARMS = (Arm("plain", 0.5), Arm("varied", 0.5, diversity=0.4))


def even(each: float) -> Measured:
    """The same for every group of users."""
    return Measured([each] * GROUPS, each * GROUPS)


def test_each_arm_has_its_figures_until_the_experiment_is_deleted() -> None:
    registry = CollectorRegistry()
    telemetry = LearnerTelemetry(registry)
    tally = Tally.empty(2)
    for arm, clicks in zip(tally.arms, (10.0, 15.0), strict=True):
        arm.slates, arm.click, arm.users = even(100.0), even(clicks), even(30.0)

    def sample(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"sluicegate_experiment_{name}", {"experiment": "e", **labels})

    telemetry.experiments([results(Experiment("e", "0f", ARMS, control="plain"), tally, 1e9)])
    assert sample("slates", arm="varied") == 100 * GROUPS
    assert sample("measured", arm="plain", measure="click") == 10 * GROUPS
    assert sample("lift", arm="varied", bound="value") == 0.5
    low, high = sample("lift", arm="varied", bound="low"), sample("lift", arm="varied", bound="high")
    assert low is not None
    assert high is not None
    assert 0.0 < low < 0.5 < high
    assert sample("lift", arm="plain", bound="value") is None, "the control has no lift"
    assert sample("shares_wrong") == 0.0
    telemetry.experiments([])
    assert sample("slates", arm="varied") is sample("shares_wrong") is sample("lift", arm="varied", bound="low") is None
