"""Trains a batch in further passes and keeps the vectors of the best one. Stage 4."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from models.batch.held_out import HeldOut, Score
from models.batch.passes import Passes

PATIENCE: Final = 2
"""Passes in a row without a better score after which training ends. One may be bad luck of the negatives drawn."""

Stopped = Literal["passes", "target", "budget", "no_gain", "asked", "nothing_held_out"]


@dataclass(frozen=True)
class Goal:
    """When training a batch ends.

    Args:
        passes: Most passes, counting the first one in event order.
        target: Hit rate on held-out events that is good enough; 0 for no such target.
        budget: Most seconds.
        decay: Factor of the learning rate from pass to pass.
    """

    passes: int = 5
    target: float = 0.0
    budget: float = 600.0
    decay: float = 0.5


@dataclass
class Trained:
    """The result of training: a score per pass, and the pass whose vectors are kept (1 is the one in event order)."""

    scores: list[Score] = field(default_factory=list)
    kept: int = 1
    stopped: Stopped = "passes"
    seconds: float = 0.0

    def summary(self) -> dict[str, Any]:
        """Return the result as a version carries it."""
        scores = [{"hit_rate": round(each.hit_rate, 6), "mrr": round(each.reciprocal, 6)} for each in self.scores]
        asked = self.scores[0].n if self.scores else 0
        return {
            "passes": len(self.scores),
            "kept": self.kept,
            "stopped": self.stopped,
            "held_out": asked,
            "scores": scores,
            "seconds": round(self.seconds, 3),
        }


def train(
    passes: Passes, held_out: HeldOut, goal: Goal, seconds: Callable[[], float], alive: Callable[[], bool]
) -> Trained:
    """Run further passes after the one in event order until a goal is reached, and keep the best vectors.

    Args:
        passes: Passes over the batch, which was learned in event order.
        held_out: Questions about events after the batch.
        goal: When to end.
        seconds: A monotonic clock.
        alive: Asked often; when it says no, training ends with the best vectors so far.
    """
    began = seconds()
    found = Trained()

    def within() -> bool:
        return alive() and seconds() - began < goal.budget

    first = held_out.score(within) if len(held_out) else None
    if first is None:
        found.stopped = _why(alive) if len(held_out) else "nothing_held_out"
    else:
        found.scores.append(first)
        _further(passes, held_out, goal, found, within, alive)
    found.seconds = seconds() - began
    return found


def _further(
    passes: Passes,
    held_out: HeldOut,
    goal: Goal,
    found: Trained,
    within: Callable[[], bool],
    alive: Callable[[], bool],
) -> None:
    best, kept = found.scores[0], passes.save()
    while True:
        if goal.target and best.hit_rate >= goal.target:
            found.stopped = "target"
        elif len(found.scores) >= goal.passes:
            found.stopped = "passes"
        elif len(found.scores) - found.kept >= PATIENCE:
            found.stopped = "no_gain"
        else:
            number = len(found.scores)
            score = held_out.score(within) if passes.run(goal.decay**number, within) else None
            if score is not None:
                found.scores.append(score)
                if score.total > best.total:
                    best, kept, found.kept = score, passes.save(), number + 1
                continue
            found.stopped = _why(alive)
        passes.restore(kept)
        return


def _why(alive: Callable[[], bool]) -> Stopped:
    return "budget" if alive() else "asked"


__all__ = ["Goal", "Trained", "train"]
