"""The experiments that are kept, and an order, in; the experiments after it, or why it cannot be carried out, out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import msgspec

from models.experiments.definition import (
    HOLDOUT,
    MOST,
    CannotRun,
    Experiment,
    ExperimentAsk,
    contradiction,
    experiment_of,
    holdout_of,
    source_of,
)
from models.experiments.segments import segment_of

Kept: TypeAlias = tuple[Experiment, ...]

SETTINGS: Final = "settings"
"""Who asks for the experiments of the settings."""

_decoder: Final = msgspec.json.Decoder(Kept)


class Unknown(CannotRun):
    """No experiment has this name."""


def encoded(experiments: Kept) -> bytes:
    """Returns experiments as they are kept in Redis."""
    return msgspec.json.encode(experiments)


def decoded(raw: bytes) -> Kept:
    """Returns the experiments that are kept in Redis; b"" for none.

    Raises:
        CannotRun: They are damaged, or of another release.

    >>> decoded(encoded((Experiment("a", "0f", ()),))) == (Experiment("a", "0f", ()),), decoded(b"")
    (True, ())
    """
    try:
        found = _decoder.decode(raw) if raw else ()
        for each in found:
            if each.segment:
                segment_of(each.segment)
        return found
    except (msgspec.MsgspecError, ValueError) as error:
        raise CannotRun(f"the experiments in Redis cannot be read: {error}") from None


def named(experiments: Kept, name: str) -> Experiment:
    """Returns the experiment of a name. Raises Unknown."""
    for each in experiments:
        if each.name == name:
            return each
    names = ", ".join(each.name for each in experiments) or "none"
    raise Unknown(f"there is no experiment {name!r}; there are: {names}")


def started(experiments: Kept, new: Experiment, now: float) -> Kept:
    """Returns the experiments with another one, in the place of an ended one of its name.

    Raises:
        CannotRun: One of its name runs, it contradicts one that runs, or there are too many.

    >>> one = Experiment("one", "0f", ())
    >>> started((one,), one, 5.0)
    Traceback (most recent call last):
    models.experiments.definition.CannotRun: name: 'one' runs already: stop it first, or take another name
    """
    for each in experiments:
        if each.name == new.name and not each.ended(now):
            raise CannotRun(f"name: {each.name!r} runs already: stop it first, or take another name")
    others = tuple(each for each in experiments if each.name != new.name)
    why = contradiction(new, [each for each in others if not each.ended(now)])
    if why:
        raise CannotRun(why)
    if new.name != HOLDOUT and sum(each.name != HOLDOUT for each in others) >= MOST:
        raise CannotRun(f"{MOST} experiments are kept already: delete one that has ended")
    return (*others, new)


def stopped(experiments: Kept, name: str, now: float, actor: str) -> Kept:
    """Returns the experiments after one is stopped.

    Raises:
        Unknown: There is none of this name.
        CannotRun: It is over already.

    >>> stopped((Experiment("one", "0f", ()),), "one", 5.0, "ops")[0].end
    5.0
    """
    if named(experiments, name).ended(now):
        raise CannotRun(f"{name!r} is over already; its results stay until it is deleted")
    return tuple(
        msgspec.structs.replace(each, end=now, stopped_by=actor) if each.name == name else each for each in experiments
    )


def deleted(experiments: Kept, name: str, now: float) -> Kept:
    """Returns the experiments without one, whose counts are then forgotten.

    Raises:
        Unknown: There is none of this name.
        CannotRun: It is not over.
    """
    if not named(experiments, name).ended(now):
        raise CannotRun(f"{name!r} is not over: stop it first")
    return tuple(each for each in experiments if each.name != name)


def with_settings(
    experiments: Kept, asks: Sequence[ExperimentAsk], holdout: float, now: float, salt: Callable[[], str]
) -> tuple[Kept, list[str]]:
    """Returns the experiments as the settings want them, and what could not be done.

    One that they no longer have, or have otherwise, ends. One that an operator has stopped stays stopped.

    Args:
        experiments: those that are kept.
        asks: those of the settings.
        holdout: share of the holdout, 0 for none.
        now: epoch seconds.
        salt: returns a random key.

    >>> kept, said = with_settings((), [], 0.02, 100.0, lambda: "0f" * 8)
    >>> [each.name for each in kept], with_settings(kept, [], 0.02, 200.0, str)[0] == kept
    (['holdout'], True)
    >>> with_settings(kept, [], 0.0, 200.0, str)[0][0].end
    200.0
    """
    wanted = {ask.name: source_of(ask) for ask in asks} | ({HOLDOUT: f"{holdout:g}"} if holdout else {})
    kept = tuple(
        msgspec.structs.replace(each, end=now, stopped_by=SETTINGS)
        if each.source and not each.ended(now) and wanted.get(each.name) != each.source
        else each
        for each in experiments
    )
    # What an operator has stopped stays stopped; what the settings have ended begins again with them.
    there = {(each.name, each.source) for each in kept if each.stopped_by != SETTINGS}
    complaints = []
    makers: list[tuple[str, Callable[[], Experiment]]] = [
        (ask.name, lambda ask=ask: experiment_of(ask, now, salt(), SETTINGS, source_of(ask)))  # type: ignore[misc]
        for ask in asks
    ]
    if holdout:
        makers.append((HOLDOUT, lambda: holdout_of(holdout, now, salt())))
    for name, make in makers:
        if (name, wanted[name]) in there:
            continue
        try:
            kept = started(kept, make(), now)
        except CannotRun as error:
            complaints.append(f"experiment {name!r} of the settings cannot run: {error}")
    return kept, complaints


__all__ = [
    "SETTINGS",
    "Kept",
    "Unknown",
    "decoded",
    "deleted",
    "encoded",
    "named",
    "started",
    "stopped",
    "with_settings",
]
