"""The ranker's shared weights by their curvature, and who is in charge by the merged evidence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models import dimensions as dim
from models.arrays import Array
from models.features import FEATURES
from models.kernels.ranking.fallback import decide
from models.merging.renumbering import Tables
from models.state import State


def newton(state: State, parts: Sequence[Tables], weights: Array, inverse: Array, lists: Array) -> None:
    """Combine weights and curvatures in information form.

    With A the curvature and f what k steps leave of the past: A = f^K A0 + sum (A_s - f^k_s A0), and A w is the same
    sum of A w. Each part's steps are those of its own lists, so parts that learned nothing change nothing. Where that
    leaves no curvature, it is the mean of the parts' curvatures, each weighed by its lists.

    Args:
        state: The base, whose rows are written.
        parts: What the parts changed.
        weights: Shared weights before, (FEATURES,).
        inverse: Inverse of the curvature before, (FEATURES, FEATURES).
        lists: Lists that each part trained on, (parts,).
    """
    learned = [at for at, part in enumerate(parts) if len(part["curvature"].rows) and lists[at] > 0]
    if not learned:  # within a round a part has rows that did not change since the last excerpt
        return
    ranker, curvature = state.tables["ranker"], state.tables["curvature"]
    if len(learned) == 1:
        only = parts[learned[0]]
        curvature.columns["inverse"][only["curvature"].rows] = only["curvature"].columns["inverse"]
        shared = only["ranker"].rows < FEATURES
        ranker.columns["weight"][only["ranker"].rows[shared]] = only["ranker"].columns["weight"][shared]
        return
    first, taken = np.linalg.inv(inverse), lists[learned].astype(np.float64)
    known = [_learned(parts[at], weights, inverse) for at in learned]
    kept, left = dim.NEWTON_FORGET ** taken.sum(), dim.NEWTON_FORGET**taken
    total = kept * first + sum(own - each * first for (own, _), each in zip(known, left, strict=True))
    pull = kept * first @ weights + sum(
        own @ moved - each * first @ weights for (own, moved), each in zip(known, left, strict=True)
    )
    if not _is_curvature(total):
        # Differences of large numbers: what is left of them in a direction that nobody learned about can be below 0.
        shares = taken / max(taken.sum(), 1.0) if taken.sum() else np.full(len(known), 1.0 / len(known))
        total = sum((share * own for (own, _), share in zip(known, shares, strict=True)), np.zeros_like(first))
        pull = sum(
            (share * own @ moved for (own, moved), share in zip(known, shares, strict=True)), np.zeros_like(pull)
        )
    total = 0.5 * (total + total.T)
    found = np.linalg.inv(total)
    spread = np.sqrt(np.minimum(dim.NEWTON_SPREAD / np.diag(found), 1.0))
    curvature.columns["inverse"][:] = found * spread[:, None] * spread
    ranker.columns["weight"][:FEATURES] = np.linalg.solve(total, pull)


def _learned(part: Tables, weights: Array, inverse: Array) -> tuple[Array, Array]:
    """A part's curvature, (FEATURES, FEATURES), and shared weights, (FEATURES,)."""
    own_inverse, own_weights = inverse.copy(), weights.copy()
    own_inverse[part["curvature"].rows] = part["curvature"].columns["inverse"]
    rows = part["ranker"].rows
    own_weights[rows[rows < FEATURES]] = part["ranker"].columns["weight"][rows < FEATURES]
    return np.linalg.inv(own_inverse), own_weights


def _is_curvature(matrix: Array) -> bool:
    """Whether a matrix is positive definite, as each learner's curvature is."""
    try:
        np.linalg.cholesky(0.5 * (matrix + matrix.T))
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


__all__ = ["follow", "lead", "newton"]
