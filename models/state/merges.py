"""Names how the values of several learners become one: each column of the schema declares it (models/merging does it).

Learners (shards) start from one base, learn different events, and hand in the rows that they changed. A row that only
one of them changed is taken over as it is; the rules say what becomes of a row that several of them changed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final, Literal

Rule = Literal[
    "sum",
    "adagrad",
    "settling",
    "newton",
    "decayed",
    "largest",
    "earliest",
    "mean",
    "fading",
    "rate",
    "halved",
    "counted",
    "neighbours",
    "pairs",
    "top",
    "untouched",
    "pool",
    "ring",
    "leader",
    "described",
    "private",
    "coordinator",
    "sighted",
]


@dataclass(frozen=True, slots=True)
class Merge:
    """How a column is merged.

    Attributes:
        rule: Its name; the constants and functions below say what each does.
        by: The column that the rule needs as well, as "column" of the same table or "table.column".
        number: A number that the rule needs.
        low: The least value that the learner keeps the column at, where the rule might fall below.
        high: The largest one.
        often: Whether shards also tell each other of it between two merges (models/merging/excerpts.py).
    """

    rule: Rule
    by: str = ""
    number: float = 0.0
    low: float = -math.inf
    high: float = math.inf
    often: bool = False


SUM: Final = Merge("sum")
"""The base and all differences from it; within the limits of an integer type. Counts are exact."""

DECAYED: Final = Merge("decayed")
"""Logarithms of decayed counts: the counts' differences add up."""

LARGEST: Final = Merge("largest")
EARLIEST: Final = Merge("earliest")
"""The smallest value, of those that are not 0."""

HALVED: Final = Merge("halved")
"""Counts that are halved together when their sum is too large: differences add up as if nobody had halved, then they
are halved as often as it takes."""

PAIRS: Final = Merge("pairs")
"""Buckets of pairs: differences of a pair's count add up, each bucket keeps the largest."""

TOP: Final = Merge("top")
"""A list of the items with the largest keys: all that any list holds, with merged keys."""

UNTOUCHED: Final = Merge("untouched")
"""Lists of untouched items: an item that any shard touched leaves them, once."""

POOL: Final = Merge("pool")
"""The factorization machine's pool: items that entered it on any shard enter the coordinator's, one after the other."""

RING: Final = Merge("ring")
"""A ring of events: those of all shards, in turns."""

LEADER: Final = Merge("leader")
"""The contender in charge: decided by the merged evidence."""

DESCRIBED: Final = Merge("described")
"""Facts of an item: the coordinator's, or those that a shard found for an item that is new to all."""

PRIVATE: Final = Merge("private")
"""Belongs to one user, and so to the shard that reads the user's partition: that shard's value."""

COORDINATOR: Final = Merge("coordinator")
"""The coordinator's own value; no shard changes it for others."""


SIGHTED: Final = Merge("sighted")
"""Counts of the sketch that are all halved from time to time."""


def often(merge: Merge) -> Merge:
    """The same rule, of a column that shards also tell each other of between two merges.

    It must be one of a few rules, and small or slow to change: `models.merging.excerpts` has the conditions, and a test
    holds every declaration to them.
    """
    return replace(merge, often=True)


def adagrad(total: str, start: float) -> Merge:
    """Weights that AdaGrad steps move: differences, each shrunk as if all steps had come one after another.

    Args:
        total: The column with the sum of squared gradients.
        start: What is added to that sum under the root.
    """
    return Merge("adagrad", total, start)


def settling(work: str, pace: float, low: float = -math.inf, high: float = math.inf) -> Merge:
    """Numbers that go to where they rest: as far as the work of all parts takes them.

    After work t, exp(-t) of the way is left. A part that has come to rest says where that is, and the sum of such steps
    would overshoot; of parts that have hardly begun, the steps add up.

    Args:
        work: The column with the sum of squared gradients, or "table.column" of a count of steps.
        pace: Work for each unit by which the root of that sum grows, or for each step.
        low: The least value that the learner keeps them at.
        high: The largest one.
    """
    return Merge("settling", work, pace, low, high)


def newton(inverse: str, forget: float) -> Merge:
    """Weights that Newton steps move: weighed by their curvature (information form).

    Args:
        inverse: "table.column" of the inverse of the curvature.
        forget: Weight of the past at each step.
    """
    return Merge("newton", inverse, forget)


def mean(steps: str, least: float) -> Merge:
    """A running mean: as many steps as all shards took.

    Args:
        steps: "table.column" that counts steps, or "column" of the same table.
        least: Least step; a step is one over the count of steps as long as that is more.
    """
    return Merge("mean", steps, least)


def fading(steps: str, weight: float) -> Merge:
    """A fading sum: what the shards added adds up, what the base held fades by all their steps.

    Args:
        steps: "table.column" that counts steps.
        weight: Weight of the past at each step.
    """
    return Merge("fading", steps, weight)


def counted(memory_limit: float) -> Merge:
    """The total of a memory that is halved with it when it exceeds the limit."""
    return Merge("counted", "", memory_limit)


def neighbours(total: str) -> Merge:
    """Slots of a memory: by what a slot names; differences add up, the largest stay.

    Args:
        total: "table.column" with the total of the memory.
    """
    return Merge("neighbours", total)
