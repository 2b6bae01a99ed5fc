"""A user and a request in; the user's arms, and the request as these want it, out. Stage 7."""

from __future__ import annotations

import msgspec

from models.experiments import Arm, Assignments, CannotRun, Kept, decoded
from models.records import Attributes
from models.slate import Wanted, condition_of
from service.http import PageAsk

NONE: dict[str, Arm] = {}
"""The arms of a user who is in no experiment."""


class Experiments:
    """The experiments that this process knows. One thread takes them over, any thread may ask."""

    def __init__(self) -> None:
        self._raw, self._readable = b"", True
        self._assignments = Assignments()
        self._rotating: Kept = ()

    @property
    def kept(self) -> Kept:
        """All experiments, those that are over included."""
        return self._assignments.experiments

    def changeable(self) -> Kept:
        """All experiments, to be written again with a change. Raises CannotRun when those in Redis cannot be read."""
        if not self._readable:
            raise CannotRun("the experiments in Redis are of another release: update this service first")
        return self.kept

    def take(self, raw: bytes) -> None:
        """Take over the experiments as Redis has them; the same ones cost nothing. Raises CannotRun."""
        if raw == self._raw:
            return
        self._raw, self._readable = raw, False
        experiments = decoded(raw)
        self._readable = True
        self._rotating = tuple(each for each in experiments if any(arm.rotate for arm in each.arms))
        self._assignments = Assignments(experiments)

    def rotates(self, now: float) -> bool:
        """Whether one that runs wants rotation: then what a user was shown is read before the arm is known."""
        return any(each.runs(now) for each in self._rotating)

    def by_attributes(self, now: float) -> bool:
        """Whether attributes of users decide who takes part in one that runs: then they are read with the history."""
        return self._assignments.by_attributes(now)

    def arms(self, user_id: str | None, now: float, attributes: Attributes | None = None) -> dict[str, Arm]:
        """The user's arm of each experiment that runs, by name of the experiment; a visitor without an id has none."""
        assignments = self._assignments
        if not assignments or user_id is None:
            return NONE
        return assignments.arms(user_id, now, attributes)


def treated(ask: PageAsk, arms: dict[str, Arm]) -> PageAsk:
    """A request as the user's arms want it: their options take the place of its own, their filters are added to it."""
    changes: dict[str, object] = {"arms": {name: arm.name for name, arm in arms.items()}}
    wanted = ask.wanted
    for arm in arms.values():
        for option in ("diversity", "rotate", "explore", "exclude_seen", "order"):
            value = getattr(arm, option)
            if value is not None:
                changes[option] = value
        if arm.version is not None:
            changes["reference"] = arm.version == "reference"
        wanted = narrowed(wanted, arm)
    return msgspec.structs.replace(ask, wanted=wanted, **changes)


def narrowed(wanted: Wanted, arm: Arm) -> Wanted:
    """A request's filters and those of an arm together. Two different categories cannot both hold: the arm's counts.

    >>> narrowed(Wanted("tea", price_max=9.0), Arm("cheap", 0.5, price_max=5.0, tags_all=("loose",))).price_max
    5.0
    """
    named = arm.category or arm.tags_all or arm.tags_any or arm.filter
    if not named and arm.price_min is None and arm.price_max is None:
        return wanted
    return Wanted(
        arm.category or wanted.category,
        wanted.tags_all | set(arm.tags_all),
        frozenset(arm.tags_any) or wanted.tags_any,
        max(_known(arm.price_min, wanted.price_min), default=None),
        min(_known(arm.price_max, wanted.price_max), default=None),
        (*wanted.conditions, *map(condition_of, arm.filter)),
    )


def _known(*prices: float | None) -> list[float]:
    return [price for price in prices if price is not None]


__all__ = ["Experiments", "narrowed", "treated"]
