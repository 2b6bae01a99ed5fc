"""The facts and learned vectors of a pool's items in; the likeness of every two of them out. Stage 7.

Likeness is from 0 to 1, the mean of those of these two that are known of both items:
 a) the cosine of their learned vectors, 0 where it is negative;
 b) the mean of same category (1 or 0), same brand (1 or 0) and the share of tags in common (Jaccard).
Two items of which nothing is known in common have likeness 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from models.arrays import Array
from models.records import ItemFacts

MOST_TAGS: Final = 64
"""Tags that are compared, the commonest of the pool. More would take as long as the ranking did."""

UNKNOWN: Final = ItemFacts()


class Traits(NamedTuple):
    """What the items of a pool are compared by: m items, f factors, t tags. An unknown category or brand is -1."""

    vectors: Array  # (m, f) f32 of length 1, or 0 when nothing was learned
    learnt: Array  # (m,) f64 1 or 0
    categories: Array  # (m,) i64
    brands: Array  # (m,) i64
    tags: Array  # (m, t) f32 1 or 0
    sizes: Array  # (m,) f64 tags of each


def traits(vectors: Array, facts: Sequence[ItemFacts | None]) -> Traits:
    """Gathers the traits of a pool.

    Args:
        vectors: (m, f) learned vectors, zero where nothing was learned.
        facts: facts of the m items, None where there are none.

    >>> same = ItemFacts(category="tea", brand="B")
    >>> pool = traits(np.zeros((3, 2)), [same, same, ItemFacts(category="mugs", brand="B")])
    >>> alike(pool)[0].tolist()
    [1.0, 1.0, 0.5]
    """
    known = [each or UNKNOWN for each in facts]
    norms = np.linalg.norm(vectors, axis=1)  # (m,)
    learnt = norms > 0
    tags = _tags(known)  # (m, t)
    return Traits(
        (vectors / np.where(learnt, norms, 1.0)[:, None]).astype(np.float32),
        learnt.astype(np.float64),
        _codes([each.category for each in known]),
        _codes([each.brand for each in known]),
        tags,
        tags.sum(axis=1),
    )


def _codes(names: Sequence[str | None]) -> Array:
    codes: dict[str, int] = {}
    return np.array([-1 if name is None else codes.setdefault(name, len(codes)) for name in names], np.int64)


def _tags(facts: Sequence[ItemFacts]) -> Array:
    counts = Counter(tag for each in facts for tag in set(each.tags))
    columns = {tag: column for column, (tag, _) in enumerate(counts.most_common(MOST_TAGS))}
    marked = np.zeros((len(facts), len(columns)), np.float32)
    for row, each in enumerate(facts):
        for tag in each.tags:
            column = columns.get(tag, -1)
            if column >= 0:
                marked[row, column] = 1.0
    return marked


def alike(pool: Traits) -> Array:
    """Returns (m, m) likeness of every two items of the pool, 0 to 1."""
    cosines = np.maximum(_products(pool.vectors), 0.0)
    both_learnt = np.outer(pool.learnt, pool.learnt)
    agreement, weights = _by_facts(pool)
    both_known = (weights > 0).astype(np.float64)
    total = cosines * both_learnt + agreement / np.maximum(weights, 1.0)
    return np.asarray(np.minimum(1.0, total / np.maximum(both_learnt + both_known, 1.0)))


def _products(rows: Array) -> Array:
    # Not by `@`: a BLAS library starts threads for it, which wait for each other on a busy machine. On two busy cores a
    # pool of 400 took 100 ms.
    return np.asarray(np.einsum("ik,jk->ij", rows, rows))


def _by_facts(pool: Traits) -> tuple[Array, Array]:
    """Returns (m, m) sums of agreement over kinds of facts that both items have, and (m, m) numbers of these kinds."""
    m = len(pool.learnt)
    agreement, weights = np.zeros((m, m)), np.zeros((m, m))
    for codes in (pool.categories, pool.brands):
        known = codes >= 0
        both = np.outer(known, known)
        agreement += (codes[:, None] == codes[None, :]) & both
        weights += both
    if pool.tags.shape[1]:
        shared = _products(pool.tags)
        both = np.outer(pool.sizes > 0, pool.sizes > 0)
        agreement += shared / np.maximum(pool.sizes[:, None] + pool.sizes[None, :] - shared, 1.0)
        weights += both
    return agreement, weights


__all__ = ["Traits", "alike", "traits"]
