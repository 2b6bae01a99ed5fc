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
    sum of A w. Each part's steps are those of its own lists, so parts that learned nothing change nothing.

    Args:
        state: The base, whose rows are written.
        parts: What the parts changed.
        weights: Shared weights before, (FEATURES,).
        inverse: Inverse of the curvature before, (FEATURES, FEATURES).
        lists: Lists that each part trained on, (parts,).
    """
    learned = [at for at, part in enumerate(parts) if len(part["curvature"].rows)]
    if not learned:
        return
    ranker, curvature = state.tables["ranker"], state.tables["curvature"]
    if len(learned) == 1:
        only = parts[learned[0]]
        curvature.columns["inverse"][only["curvature"].rows] = only["curvature"].columns["inverse"]
        shared = only["ranker"].rows < FEATURES
        ranker.columns["weight"][only["ranker"].rows[shared]] = only["ranker"].columns["weight"][shared]
        return
    first = np.linalg.inv(inverse)
    kept = dim.NEWTON_FORGET ** float(lists[learned].sum())
    total, pull = kept * first, kept * first @ weights
    for at in learned:
        left = dim.NEWTON_FORGET ** float(lists[at])
        own_inverse, own_weights = inverse.copy(), weights.copy()
        own_inverse[parts[at]["curvature"].rows] = parts[at]["curvature"].columns["inverse"]
        rows = parts[at]["ranker"].rows
        own_weights[rows[rows < FEATURES]] = parts[at]["ranker"].columns["weight"][rows < FEATURES]
        own = np.linalg.inv(own_inverse)
        total += own - left * first
        pull += own @ own_weights - left * first @ weights
    total = 0.5 * (total + total.T)
    found = np.linalg.inv(total)
    spread = np.sqrt(np.minimum(dim.NEWTON_SPREAD / np.diag(found), 1.0))
    curvature.columns["inverse"][:] = found * spread[:, None] * spread
    ranker.columns["weight"][:FEATURES] = np.linalg.solve(total, pull)


def follow(state: State, part: Tables) -> None:
    """Take over who is in charge from the only part."""
    state.tables["chosen"].columns["contender"][part["chosen"].rows] = part["chosen"].columns["contender"]


def lead(state: State, before: int) -> None:
    """Decide who is in charge, by the merged evidence; `before` was."""
    chosen = state.tables["chosen"]
    chosen.columns["contender"][0] = decide(state.private.guard, before)
    chosen.mark(np.zeros(1, np.int32))  # also where no part has changed it: together the parts may have enough evidence


__all__ = ["follow", "lead", "newton"]
