"""The ranker's shared weights, and who is in charge: what several parts trained in, one ranker out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from models import dimensions as dim
from models.arrays import Array
from models.features import FEATURES
from models.kernels.ranking.fallback import decide
from models.merging.renumbering import Tables
from models.state import State, TableChanges

INFORMATION: Final = "information"
"""The curvature itself, next to its inverse: what a part has besides the columns of its table."""


def informed(changes: TableChanges) -> TableChanges:
    """Changes of the curvature with `INFORMATION`: each shard inverts its own, the coordinator only adds them up.

    A step changes all rows; where not all are there, no step was taken.
    """
    if len(changes.rows) < FEATURES:
        return changes
    inverse = changes.columns["inverse"]
    return TableChanges(changes.rows, {"inverse": inverse, INFORMATION: np.linalg.inv(inverse)})


class Shared(NamedTuple):
    """The shared weights of a ranker. Of the curvature and its inverse one may be unknown.

    Attributes:
        weights: (FEATURES,) f8.
        inverse: Of the curvature, (FEATURES, FEATURES).
        curvature: The curvature itself, (FEATURES, FEATURES).
    """

    weights: Array
    inverse: Array | None
    curvature: Array | None

    def known_inverse(self) -> Array:
        """The inverse, computed where it is unknown."""
        return _inverted(self.inverse, self.curvature)

    def known_curvature(self) -> Array:
        """The curvature, computed where it is unknown."""
        return _inverted(self.curvature, self.inverse)


def _inverted(known: Array | None, other: Array | None) -> Array:
    if known is not None:
        return known
    assert other is not None, "one of a curvature and its inverse is always known"
    return np.linalg.inv(other)


def combined(before: Shared, trained: Sequence[Shared], lists: Array) -> Shared:
    """Combine weights and curvatures in information form.

    With A the curvature and f what k steps leave of the past: A = f^K A0 + sum (A_s - f^k_s A0), and A w is the same
    sum of A w. Where that leaves no curvature, it is the mean of the parts' curvatures, each weighed by its lists. What
    one part alone trained is taken over as it is.

    Args:
        before: What the base held.
        trained: What those parts made of it that trained on lists since.
        lists: How many, (parts,), each more than 0.
    """
    if len(trained) <= 1:
        return trained[0] if trained else before
    first, taken = before.known_curvature(), lists.astype(np.float64)
    own, moved = [each.known_curvature() for each in trained], [each.weights for each in trained]
    kept = dim.NEWTON_FORGET ** taken.sum() - (dim.NEWTON_FORGET**taken).sum()
    pulls = [matrix @ weights for matrix, weights in zip(own, moved, strict=True)]
    total, pull = _symmetric(_added(own) + kept * first), _added(pulls) + kept * first @ before.weights
    if not _is_curvature(total):
        # Differences of large numbers: what is left of them in a direction that nobody learned about can be below 0.
        shares = (taken / taken.sum()).tolist()
        total = _symmetric(_added([share * matrix for matrix, share in zip(own, shares, strict=True)]))
        pull = _added([share * each for each, share in zip(pulls, shares, strict=True)])
    found = np.linalg.inv(total)
    spread = np.sqrt(np.minimum(dim.NEWTON_SPREAD / np.diag(found), 1.0))
    return Shared(found @ pull, found * spread[:, None] * spread, total / spread[:, None] / spread)


def held(state: State, curvature: Array | None = None) -> Shared:
    """Copies of what a state holds; with its curvature where somebody knows it."""
    weights = state.tables["ranker"].columns["weight"][:FEATURES].astype(np.float64)
    return Shared(weights, state.tables["curvature"].columns["inverse"].copy(), curvature)


def newton(state: State, parts: Sequence[Tables], before: Shared, lists: Array) -> None:
    """Merge the shared weights and the inverse curvature.

    Args:
        state: The base, whose rows are written.
        parts: What the parts changed, with `INFORMATION`.
        before: What the base held.
        lists: Lists that each part trained on, (parts,); those that learned nothing change nothing.
    """
    # Within a round a part also has rows that did not change since the last excerpt.
    learned = [at for at, part in enumerate(parts) if len(part["curvature"].rows) and lists[at] > 0]
    if not learned:
        return
    found = combined(before, [_trained(parts[at], before.weights) for at in learned], lists[learned])
    state.tables["ranker"].columns["weight"][:FEATURES] = found.weights
    state.tables["curvature"].columns["inverse"][:] = found.known_inverse()


def _trained(part: Tables, before: Array) -> Shared:
    ranker, curvature = part["ranker"], part["curvature"].columns
    weights, shared = before.copy(), ranker.rows < FEATURES
    weights[ranker.rows[shared]] = ranker.columns["weight"][shared]
    return Shared(weights, curvature["inverse"], curvature[INFORMATION])


def _added(arrays: Sequence[Array]) -> Array:
    total = arrays[0].copy()
    for array in arrays[1:]:
        total += array
    return total


def _symmetric(matrix: Array) -> Array:
    return 0.5 * (matrix + matrix.T)


def _is_curvature(matrix: Array) -> bool:
    """Whether a symmetric matrix is positive definite, as each learner's curvature is."""
    try:
        np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return False
    return True


def follow(state: State, part: Tables) -> None:
    """Take over who is in charge from the only part."""
    state.tables["chosen"].columns["contender"][part["chosen"].rows] = part["chosen"].columns["contender"]


def lead(state: State, before: int) -> None:
    """Decide who is in charge, by the merged evidence; `before` was."""
    chosen = state.tables["chosen"]
    chosen.columns["contender"][0] = decide(state.private.guard, before)
    chosen.mark(np.zeros(1, np.int32))  # also where no part has changed it: together the parts may have enough evidence


__all__ = ["INFORMATION", "Shared", "combined", "follow", "held", "informed", "lead", "newton"]
