"""What is counted for experiments is counted once: after a restart, a replay, another log, and in an emptied Redis."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from models.experiments.definition import Arm, Experiment
from models.experiments.tallies import Counts
from models.records import CLICK, Event, SlateRecord
from models.snapshot.manifest import Manifest
from service.local import embedded
from streaming.evidence.experiments import KEY, ExperimentCounter
from streaming.intake.intake import Attributed, PreparedBatch
from streaming.live import Described, attributes, beats
from streaming.settings.loading import Settings
from streaming.store.store import Store
from tests.support.processes.serving import changed, keep

EXPERIMENT = Experiment("e", "0f" * 8, (Arm("a", 0.5), Arm("b", 0.5)), start=10.0)
TOPICS = {"events": "first"}


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    """The learner's connection to a Redis in which one experiment runs."""
    made = Store.for_learner(settings)
    keep(made, EXPERIMENT)
    yield made
    made.close()


def batch(*offsets: int) -> PreparedBatch:
    """Clicks of one user on a slate, at these offsets."""
    click = Event(CLICK, "ann", "tea", 50.0, request_id="5f")
    made = PreparedBatch(attributed=[Attributed("events", 0, offset, click) for offset in offsets])
    made.offsets = [("events", 0, list(offsets), 50.0)]
    return made


SLATE = SlateRecord("5f", 50.0, ["tea"], "ann", experiments={"e": "a"})


def figures(counter: ExperimentCounter) -> tuple[float, float]:
    """Slates and clicks of all arms."""
    (found,) = counter.results(100.0)
    return sum(arm.slates for arm in found.arms), sum(arm.measures["click"].total for arm in found.arms)


def version(counter: ExperimentCounter) -> Manifest:
    """A version that carries its counts."""
    return Manifest("1-1-ab", 1, "base", evidence=dict(counter.carried()))


def test_a_successor_goes_on_where_the_version_stopped_and_not_where_the_dead_one_was(store: Store) -> None:
    first = ExperimentCounter(store, TOPICS)
    first.slates_begin({0: 7})
    first.slate(SLATE, 0, 7)
    first.learned(batch(0, 1))
    cut = version(first)
    first.slate(SLATE, 0, 8)
    first.learned(batch(2))
    assert figures(first) == (2, 3)
    second = ExperimentCounter(store, TOPICS, cut)
    assert figures(second) == (1, 2)
    assert second.next_slates() == {0: 8}
    second.slate(SLATE, 0, 8)
    second.learned(batch(2))
    assert figures(second) == (2, 3)


def test_what_is_read_twice_is_counted_once(store: Store) -> None:
    counter = ExperimentCounter(store, TOPICS)
    for _ in range(2):
        counter.slate(SLATE, 0, 7)
        counter.learned(batch(0, 1))
    assert figures(counter) == (1, 2)
    counter.learned(batch(1, 2))
    assert figures(counter) == (1, 3)


def test_a_log_that_was_replaced_is_counted_from_its_beginning(store: Store) -> None:
    first = ExperimentCounter(store, TOPICS)
    first.learned(batch(0, 1, 2))
    same, other = (ExperimentCounter(store, {"events": name}, version(first)) for name in ("first", "second"))
    for counter in (same, other):
        counter.learned(batch(0))
    assert (figures(same)[1], figures(other)[1]) == (3, 4)


def test_an_experiment_is_counted_from_the_moment_that_it_is_known_and_forgotten_when_it_is_deleted(
    store: Store,
) -> None:
    keep(store)
    counter = ExperimentCounter(store, TOPICS)
    counter.learned(batch(0))
    keep(store, EXPERIMENT)
    counter.look()
    counter.learned(batch(1))
    assert figures(counter)[1] == 1
    keep(store)
    counter.look()
    carried = counter.carried()
    keep(store, EXPERIMENT)
    assert figures(ExperimentCounter(store, TOPICS, Manifest("a", 1, "base", evidence=dict(carried))))[1] == 0


def test_an_emptied_redis_takes_no_counts_with_it(store: Store) -> None:
    counter = ExperimentCounter(store, TOPICS)
    counter.learned(batch(0))
    store.call("DEL", store.key("gate"))
    counter.look()
    counter.carried()
    assert figures(counter)[1] == 1


def test_counts_that_cannot_be_read_begin_again(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    counter = ExperimentCounter(store, TOPICS, Manifest("a", 1, "base", evidence={KEY: "no"}))
    assert figures(counter) == (0, 0)
    assert "the counts of experiments begin again" in caplog.text


AMONG = Experiment("e", "0f" * 8, (Arm("a", 0.5), Arm("b", 0.5)), start=10.0, segment="plan:pro")


def test_events_count_for_users_of_the_segment_alone(store: Store) -> None:
    keep(store, AMONG)
    counter = ExperimentCounter(store, TOPICS)
    counter.learned(batch(0))
    assert figures(counter)[1] == 0, "ann has no attributes"
    attributes.write(store, Described(0, 1, "ann", b'{"plan":"pro"}'), "c")
    for _ in range(2):
        counter.learned(batch(1, 2))
    assert figures(counter)[1] == 2


def test_each_segment_has_the_events_and_slates_of_its_users_whatever_dies(store: Store) -> None:
    attributes.write(store, Described(0, 1, "ann", b'{"plan":"pro","orders":5}'), "c")
    names = ("plan:pro", "plan:free", "orders>=3")
    first = ExperimentCounter(store, TOPICS, segments=names)
    first.slates_begin({0: 7})
    first.slate(SlateRecord("5f", 50.0, ["tea"], "ann", experiments={"e": "a"}, segments=["plan:pro"]), 0, 7)
    first.learned(batch(0, 1))
    cut = version(first)
    first.learned(batch(2))
    assert figures(first) == (1, 3)
    again = ExperimentCounter(store, TOPICS, cut, segments=names)
    again.learned(batch(1, 2))
    counts = Counts.unpacked(again.carried()[KEY]).tallies[EXPERIMENT.id]
    found = {
        name: (sum(arm.slates.total for arm in arms), sum(arm.click.total for arm in arms))
        for name in names
        for arms in [counts.part(name).arms]
    }
    assert found == {"plan:pro": (1, 3), "plan:free": (0, 0), "orders>=3": (0, 3)}
    fewer = ExperimentCounter(store, TOPICS, version(again), segments=names[1:])
    counts = Counts.unpacked(fewer.carried()[KEY]).tallies[EXPERIMENT.id]
    assert counts.part("plan:pro").since is None, "a segment that the settings no longer name is forgotten"
    assert counts.part("orders>=3").since is not None


def test_events_wait_for_a_redis_that_is_away_or_not_whole(
    store: Store, settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keep(store, AMONG)
    now = 0.0
    with embedded.redis(tmp_path / "live") as redis:
        elsewhere = changed(settings, redis={"url": f"redis://{redis.address}/0"})
        with closing(Store.for_histories(elsewhere)) as live:
            counter = ExperimentCounter(store, TOPICS, live=live, clock=lambda: now)
            redis.stop()
            counter.learned(batch(0))
            counter.learned(batch(1))
            assert figures(counter)[1] == 0
            assert caplog.text.count("events of experiments by segment wait") == 1, "it is not asked again at once"
            redis.start()
            attributes.write(live, Described(0, 1, "ann", b'{"plan":"pro"}'), "c")
            beats.begin(live, {"c:0": 1})
            now = 3.0
            counter.learned(batch(2))
            assert figures(counter)[1] == 0, "while it is repaired nobody knows who has which"
            live.run("repaired", beats.hashes(live.key), ["5f"])
            cut = version(counter)
    assert figures(counter)[1] == figures(ExperimentCounter(store, TOPICS, cut))[1] == 3, "a version has them all"
