"""A user and the experiments that run in; the user's arm of each out.

A keyed hash of the user's id decides, so nothing is stored, a user keeps the arm, and every replica and the learner
come to the same answer. Each experiment has a key of its own: the arms of two experiments are independent. Users of
the holdout are in no other experiment. Where an experiment has a segment, a user's attributes decide as well; they are
read by who asks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final

from models.experiments.definition import HOLDOUT, Arm, Experiment
from models.experiments.segments import segment_of
from models.records import Attributes

SPAN: Final = float(1 << 64)


class Assigned:
    """One experiment, ready to assign users.

    >>> halves = Assigned(Experiment("variety", "0f" * 8, (Arm("plain", 0.5), Arm("varied", 0.5))))
    >>> [halves.arm(user) for user in ("ann", "bob", "eve", "fay")]
    [0, 0, 1, 1]
    """

    __slots__ = ("_bounds", "_keyed", "_segment", "experiment")

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        # The key is hashed once, and not for each user: that is half of the time of a hash.
        self._keyed = hashlib.blake2b(digest_size=8, key=experiment.salt.encode())
        self._segment = segment_of(experiment.segment) if experiment.segment else None
        self._bounds = [bound * SPAN for bound in accumulate(arm.share for arm in experiment.arms)]

    def open_to(self, attributes: Attributes | None) -> bool:
        """Whether a user with these attributes may take part; None for attributes that are not known, or none."""
        return self._segment is None or self._segment.has(attributes)

    def arm(self, user: str) -> int:
        """Returns the place of the user's arm, -1 for a user that is not in the experiment."""
        hashed = self._keyed.copy()
        hashed.update(user.encode(errors="surrogatepass"))
        point = int.from_bytes(hashed.digest())
        for place, bound in enumerate(self._bounds):
            if point < bound:
                return place
        return -1


class Assignments:
    """All experiments that are known, for requests and events of any moment.

    Args:
        experiments: the experiments, those that are over included.

    >>> everybody = Assignments([Experiment("variety", "0f" * 8, (Arm("plain", 0.5), Arm("varied", 0.5)), end=9.0)])
    >>> [len(list(everybody.of("ann", at))) for at in (8.0, 9.0)]
    [1, 0]
    """

    def __init__(self, experiments: Sequence[Experiment] = ()) -> None:
        self.experiments = tuple(experiments)
        self._holdouts = tuple(Assigned(each) for each in experiments if each.name == HOLDOUT)
        self._others = tuple(Assigned(each) for each in experiments if each.name != HOLDOUT)
        self._segmented = tuple(each for each in experiments if each.segment)

    def __bool__(self) -> bool:
        return bool(self.experiments)

    def running(self, at: float) -> bool:
        """Whether an experiment runs at this moment, epoch seconds."""
        return any(each.runs(at) for each in self.experiments)

    def by_attributes(self, at: float) -> bool:
        """Whether attributes decide who takes part in an experiment that runs at this moment, epoch seconds."""
        return any(each.runs(at) for each in self._segmented)

    def of(self, user: str, at: float, attributes: Attributes | None = None) -> Iterator[tuple[Experiment, int]]:
        """Yields each experiment that the user is in at this moment, and the place of the arm.

        Args:
            user: id of the user.
            at: epoch seconds.
            attributes: those of the user, where `by_attributes` says that they decide.
        """
        for each in self._holdouts:
            if each.experiment.runs(at):
                place = each.arm(user)
                yield each.experiment, place
                if each.experiment.arms[place].name == HOLDOUT:
                    return
        for each in self._others:
            if each.experiment.runs(at) and each.open_to(attributes) and (place := each.arm(user)) >= 0:
                yield each.experiment, place

    def arms(self, user: str, at: float, attributes: Attributes | None = None) -> dict[str, Arm]:
        """Returns the user's arms, by name of the experiment."""
        return {experiment.name: experiment.arms[place] for experiment, place in self.of(user, at, attributes)}


__all__ = ["Assigned", "Assignments"]
