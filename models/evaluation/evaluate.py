"""A stream and the names of contenders in, the report out: one pass of the recommender, one pass of each rival."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from models.arrays import Array
from models.evaluation.prequential import PrequentialRun, replay
from models.evaluation.protocol import Plan, Stream, Targets, late, list_places, targets
from models.evaluation.report import Entry, pointwise_figures, report
from models.evaluation.rival_run import Run, examples, race
from models.evaluation.rivals_implicit import BATCH, PERIODS, obstacle
from models.evaluation.rivals_river import RIVER, Rival
from models.evaluation.rivals_vw import VW
from models.recommender import CONTENDERS, RecommenderOptions

BUILTIN: Final = "builtin"
Tick = Callable[[str, int], None]
"""Told who is running and how many events are done."""

Maker = Callable[[int], Rival]
"""Makes a rival; takes the seed."""


class NothingEvaluatedError(ValueError):
    """No event of the stream could be evaluated. Says why."""


class UnknownContenderError(ValueError):
    """A name that is no contender and no group. Says which there are."""


def groups() -> dict[str, Mapping[str, Maker]]:
    """Rivals by group and name, those included whose package is absent."""
    return {"river": RIVER, "vw": VW, "batch": BATCH}


NEEDS: Final[dict[str, str]] = {"vw": "vowpalwabbit", "batch": "implicit"}
"""Group -> the package that must be importable."""


def chosen(names: Sequence[str]) -> tuple[dict[str, Maker], dict[str, str]]:
    """(rivals to run, name -> why it is not run). `names`: contenders or groups; none means everything installed.

    The built-in contenders come from one run, so they are always there. Raises UnknownContenderError, also for one that
    was named and whose package is absent.

    >>> list(chosen(["builtin"])[0]), sorted(chosen(["river"])[0])[0]
    ([], 'river.BiasedMF')
    """
    everything = groups()
    known = {name: group for group, members in everything.items() for name in members}
    wrong = [name for name in names if name not in {BUILTIN, *everything, *known, *CONTENDERS}]
    if wrong:
        offered = ", ".join([BUILTIN, *(f"{group} ({', '.join(members)})" for group, members in everything.items())])
        raise UnknownContenderError(f"no contender {wrong[0]!r}: there are {offered}")
    wanted = {name for name, group in known.items() if not names or name in names or group in names}
    absent = {name: NEEDS[group] for name, group in known.items() if name in wanted and not _installed(group)}
    if absent and names:
        name, package = next(iter(absent.items()))
        raise UnknownContenderError(f"{name} needs the package {package}: pip install {package}")
    runs = {name: everything[known[name]][name] for name in known if name in wanted and name not in absent}
    return runs, {name: f"{package} is not installed: pip install {package}" for name, package in absent.items()}


def _installed(group: str) -> bool:
    return group not in NEEDS or importlib.util.find_spec(NEEDS[group]) is not None


def evaluate(
    stream: Stream,
    plan: Plan,
    clock: Callable[[], float],
    rivals: Mapping[str, Maker],
    settings: RecommenderOptions | None = None,
    tick: Tick | None = None,
) -> dict[str, Any]:
    """The whole report. Raises NothingEvaluatedError. `clock`: seconds, monotonic."""
    own = replay(stream, plan, clock, settings, _telling(tick, "sluicegate"))
    kept = late(own.tested.places, len(stream.events))
    found = targets(stream, own.tested.places[kept])
    if not (~found.cold).any():
        raise NothingEvaluatedError(_why_nothing(stream, found))
    entries = _own_entries(own, kept)
    unfit = _unfit(stream, found, rivals)
    runs = _race_all(stream, plan, found, {name: rivals[name] for name in rivals if name not in unfit}, clock, tick)
    entries |= {name: _entry(run, len(stream.events)) for name, run in runs.items()}
    result = report(stream, plan, found, entries)
    result["pointwise"] = {name: pointwise_figures(run) for name, run in runs.items() if rated(run)}
    return result | {"in_charge": own.in_charge, "running": own.running, "not_run": unfit}


def _unfit(stream: Stream, found: Targets, rivals: Mapping[str, Maker]) -> dict[str, str]:
    """Rivals for which this stream is too short or too long, and why."""
    times = [stream.events[0].timestamp, *(stream.events[place].timestamp for place in found.places.tolist())]
    reasons = {name: obstacle(PERIODS[name], times) for name in rivals if name in PERIODS}
    return {name: reason for name, reason in reasons.items() if reason is not None}


def _race_all(
    stream: Stream,
    plan: Plan,
    found: Targets,
    rivals: Mapping[str, Maker],
    clock: Callable[[], float],
    tick: Tick | None,
) -> dict[str, Run]:
    if not rivals:
        return {}
    given, listed = examples(stream, plan.seed), list_places(stream.events, plan.lists)
    places = found.places.tolist()
    runs = {}
    for name, make in rivals.items():
        runs[name] = race(stream, given, make(plan.seed), places, listed, plan.k, clock, _telling(tick, name))
    return runs


def _telling(tick: Tick | None, name: str) -> Callable[[int], None] | None:
    return None if tick is None else partial(tick, name)


def rated(run: Run) -> bool:
    """Whether the rival predicts targets, so that errors of its predictions mean something."""
    return run.pointwise and bool((run.positive == run.positive).any())


def _own_entries(own: PrequentialRun, kept: Array) -> dict[str, Entry]:
    return {
        name: Entry(
            own.tested.ranks[kept, at],
            own.lists[name],
            1e6 * own.learning,
            1e6 * own.ranking[name],
            own.memory,
            {"shared_run": True},
        )
        for at, name in enumerate(CONTENDERS)
    }


def _entry(run: Run, events: int) -> Entry:
    tested = max(len(run.ranks), 1)
    learning, ranking = 1e6 * run.learning / max(events, 1), 1e6 * run.ranking / tested
    return Entry(run.ranks, run.lists, learning, ranking, run.memory, {"shared_run": False, **run.notes})


def _why_nothing(stream: Stream, found: Targets) -> str:
    return (
        f"nothing could be evaluated: of {len(stream.events):,} events {len(found.places):,} are of a positive type, "
        f"past the first tenth and sampled, and {int(found.cold.sum()):,} of those name an item that nobody had "
        f"touched before. Give a longer log, or evaluate each position with --every 1"
    )
