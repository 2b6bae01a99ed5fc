"""What can be an experiment, and what the error says of what cannot."""

from __future__ import annotations

import re

import pytest

from models.experiments.changes import Unknown, decoded, deleted, encoded, started, stopped, with_settings
from models.experiments.definition import (
    HOLDOUT,
    MOST,
    ORDERS,
    Arm,
    CannotRun,
    Experiment,
    ExperimentAsk,
    contradiction,
    experiment_of,
    holdout_of,
    read,
)
from models.recommender.prequential import CONTENDERS

SALT = "0f" * 8
HALVES = (Arm("plain", 0.5), Arm("varied", 0.5, diversity=0.4))


def test_every_contender_can_order_an_arm() -> None:
    assert set(ORDERS) == {*CONTENDERS, "popularity", "shadow"} - {"served"}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "Wide Slates"}, "name: 'Wide Slates' is no name"),
        ({"name": HOLDOUT}, "take another name"),
        ({"arm": [{"name": "a", "share": 0.5}]}, "Expected `array` of length >= 2 - at `$.arm`"),
        ({"arm": [{"name": "a", "share": 0.7}, {"name": "b", "share": 0.7}]}, "the shares add up to 1.4"),
        (
            {"arm": [{"name": "a", "share": 0.5}, {"name": "a", "share": 0.5}]},
            "arm[1].name: 'a' is the name of another",
        ),
        (
            {"arm": [{"name": "a", "share": 0.5}, {"name": "b", "share": 0}]},
            "Expected `float` > 0.0 - at `$.arm[1].share`",
        ),
        (
            {"arm": [{"name": "a", "share": 0.5}, {"name": "b", "share": 0.5, "order": "magic"}]},
            "arm[1].order: 'magic'",
        ),
        ({"arm": [{"name": "a", "share": 0.5}, {"name": "b", "share": 0.5, "filter": ["x"]}]}, "arm[1].filter[0]"),
        (
            {"arm": [{"name": "a", "share": 0.5}, {"name": "b", "share": 0.5, "price_min": 2, "price_max": 1}]},
            "price_max",
        ),
        ({"arm": [{"name": "a", "share": 0.5}, {"name": "b", "share": 0.5, "colour": 1}]}, "unknown field `colour`"),
        ({"segment": "pro"}, "segment: expected NAME:VALUE"),
        ({"segment": "plan:" + "o" * 300}, "Expected `str` of length <= 256 - at `$.segment`"),
        ({"control": "c"}, "control: there is no arm 'c'; the arms are plain, varied"),
        ({"metric": "joy"}, "Invalid enum value 'joy' - at `$.metric`"),
        ({"start": 2_000_000_000.0, "end": 1_900_000_000.0}, "end: it must be after the start"),
        ({"end": 1.0}, "end: write a time"),
    ],
)
def test_an_experiment_that_cannot_be_is_refused_by_the_part_that_is_wrong(
    fields: dict[str, object], said: str
) -> None:
    arms = [{"name": "plain", "share": 0.5}, {"name": "varied", "share": 0.5}]
    with pytest.raises(CannotRun, match=re.escape(said)):
        experiment_of(read({"name": "variety", "arm": arms, **fields}), 1_800_000_000.0, SALT)


def test_it_starts_when_everybody_knows_it_and_not_before() -> None:
    def start(given: float | None) -> float:
        return experiment_of(ExperimentAsk(name="a", arm=HALVES, start=given), 1_800_000_000.0, SALT).start

    assert start(None) == start(1_700_000_000.0) == 1_800_000_005.0
    assert start(1_800_000_100.0) == 1_800_000_100.0


def test_two_that_set_the_same_option_run_together_only_when_they_do_not_overlap() -> None:
    one = Experiment("one", SALT, HALVES, start=10.0, end=20.0)
    assert "it sets diversity, and so does 'one'" in contradiction(Experiment("two", SALT, HALVES, start=15.0), [one])
    assert contradiction(Experiment("two", SALT, HALVES, start=20.0), [one]) == ""
    rotating = (Arm("plain", 0.5), Arm("turning", 0.5, rotate=0.4))
    assert contradiction(Experiment("two", SALT, rotating, start=15.0), [one]) == ""
    off = Arm("plain", 0.5), Arm("off", 0.5, diversity=0.0)
    assert "it sets diversity" in contradiction(Experiment("two", SALT, off, start=15.0), [one])
    assert contradiction(holdout_of(0.02, 10.0, SALT), [Experiment("o", SALT, (Arm("x", 0.5, order="machine"),))]) == ""


def test_experiments_are_started_stopped_and_deleted_in_that_order() -> None:
    one = Experiment("one", SALT, HALVES, start=10.0)
    kept = started((), one, 5.0)
    with pytest.raises(CannotRun, match="runs already"):
        started(kept, one, 15.0)
    with pytest.raises(CannotRun, match="stop it first"):
        deleted(kept, "one", 15.0)
    with pytest.raises(Unknown, match="there is no experiment 'two'; there are: one"):
        stopped(kept, "two", 15.0, "ops")
    kept = decoded(encoded(stopped(kept, "one", 15.0, "ops")))
    assert (kept[0].end, kept[0].stopped_by) == (15.0, "ops")
    with pytest.raises(CannotRun, match="over already"):
        stopped(kept, "one", 16.0, "ops")
    again = started(kept, Experiment("one", "f0" * 8, HALVES, start=21.0), 16.0)
    assert [each.id for each in again] == ["one-f0f0f0f0"], "an ended one gives its name away"
    assert deleted(kept, "one", 16.0) == ()


def test_no_more_are_kept_than_have_room() -> None:
    kept: tuple[Experiment, ...] = (holdout_of(0.1, 0.0, SALT),)
    for number in range(MOST):
        kept = started(kept, Experiment(f"e{number}", SALT, (), end=1.0), 2.0)
    with pytest.raises(CannotRun, match="8 experiments are kept already: delete one"):
        started(kept, Experiment("more", SALT, ()), 2.0)


def test_what_cannot_be_read_in_redis_is_an_error_and_not_an_experiment() -> None:
    with pytest.raises(CannotRun, match="cannot be read"):
        decoded(b'[{"name": 1}]')


def test_the_settings_start_keep_change_and_end_experiments() -> None:
    ask = ExperimentAsk(name="variety", arm=HALVES)
    salts = iter(2 * f"{number:08x}" for number in range(1, 9))
    kept, said = with_settings((), [ask], 0.0, 100.0, lambda: next(salts))
    assert ([each.name for each in kept], said) == (["variety"], [])
    assert with_settings(kept, [ask], 0.0, 200.0, lambda: next(salts)) == (kept, []), "a restart changes nothing"
    by_hand = stopped(kept, "variety", 210.0, "ops")
    assert with_settings(by_hand, [ask], 0.0, 220.0, lambda: next(salts))[0] == by_hand, "stopped stays stopped"
    other = ExperimentAsk(name="variety", arm=(Arm("plain", 0.9), Arm("varied", 0.1, diversity=0.4)))
    changed, _ = with_settings(kept, [other], 0.0, 300.0, lambda: next(salts))
    assert [(each.name, each.arms[0].share, each.id == kept[0].id) for each in changed] == [("variety", 0.9, False)]
    ended, _ = with_settings(kept, [], 0.0, 300.0, lambda: next(salts))
    assert (ended[0].end, ended[0].stopped_by) == (300.0, "settings")
    again, _ = with_settings(ended, [ask], 0.0, 400.0, lambda: next(salts))
    assert [(each.start, each.end, each.id == kept[0].id) for each in again] == [(405.0, None, False)]


def test_the_settings_leave_what_operators_run_and_say_what_they_could_not_start() -> None:
    mine = Experiment("mine", SALT, HALVES, asked_by="ops")
    kept, said = with_settings((mine,), [ExperimentAsk(name="variety", arm=HALVES)], 0.1, 100.0, lambda: SALT)
    assert [each.name for each in kept] == ["mine", "holdout"]
    assert len(said) == 1
    assert "'variety' of the settings cannot run: it sets diversity, and so does 'mine'" in said[0]
