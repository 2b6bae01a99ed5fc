"""The rules that look at one row at a time, in numpy: what several parts made of it in, what it becomes out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from models import dimensions as dim
from models.arrays import Array
from models.kernels.merging.vector_steps import LEAST
from models.merging.renumbering import Tables
from models.merging.touched import Shared
from models.state import Column, State, TableChanges
from models.state.merges import Rule

Steps = Callable[[str], tuple[float, Array]]
"""Given "table.column" of a count of steps: how many there were before, and (parts,) how many each part took."""


def counted_steps(state: State, parts: Sequence[Tables], names: Iterable[str]) -> dict[str, tuple[int, Array]]:
    """What `Steps` gives, by name, of counts in the first row of a table: of the state, and of the parts of a merge."""
    found = {}
    for name in names:
        table, column = name.split(".")
        before = int(state.tables[table].columns[column][0])
        first = [part[table].columns[column][0] if _has_first(part[table]) else before for part in parts]
        found[name] = before, np.array([int(value) - before for value in first])
    return found


def _has_first(changes: TableChanges) -> bool:
    return len(changes.rows) > 0 and int(changes.rows[0]) == 0


def decayed(shared: Shared, column: Column, _steps: Steps) -> Array:
    """log(exp(base) + sum(exp(value) - exp(base))); never above all that was added, and never without an end below."""
    base, values = shared.base[column.name], shared.values[column.name]
    top = np.maximum(np.maximum.reduceat(values, shared.starts, axis=0), base)
    known = np.exp(base - top)
    total = known + shared.total(np.exp(values - shared.spread(top)) - shared.spread(known))
    least = np.exp(np.minimum.reduceat(values, shared.starts, axis=0) - top)
    found = top + np.log(np.maximum(np.maximum(total, least), np.finfo(np.float64).tiny))
    # A key that nobody ever raised stays where it is: exp of its distance to itself is 1, and would be counted.
    return np.where(top <= dim.NEVER, base, found)


def largest(shared: Shared, column: Column, _steps: Steps) -> Array:
    """The parts' largest value. It may be below the base: a clock can be set back."""
    return np.asarray(np.maximum.reduceat(shared.values[column.name], shared.starts, axis=0))


def earliest(shared: Shared, column: Column, _steps: Steps) -> Array:
    """The smallest value that is not 0; 0 when all are."""
    values, base = shared.values[column.name], shared.base[column.name]
    none = np.iinfo(base.dtype).max
    found = np.minimum.reduceat(np.where(values == 0, none, values), shared.starts)
    found = np.minimum(found, np.where(base == 0, none, base))
    return np.where(found == none, 0, found).astype(base.dtype)


def _grown(shared: Shared, column: Column) -> Array:
    """What each part added to the sum of squared gradients, (m,)."""
    name = column.merge.by
    return np.maximum(shared.values[name].astype(np.float64) - shared.spread(shared.base[name]), LEAST)


def settling(shared: Shared, column: Column, steps: Steps) -> Array:
    """The base, moved as far towards the parts' aims as the work of all of them goes.

    A part that did work t has gone the share 1 - exp(-t) of the way to its aim. The aims weigh by the work of each.
    """
    base = shared.base[column.name].astype(np.float64)
    moved = shared.values[column.name].astype(np.float64) - shared.spread(base)
    each, all_ = _work(shared, column, steps)
    shares = each / shared.spread(shared.total(each))
    aims = shared.total(moved * shares / -np.expm1(-each))
    found = base - np.expm1(-all_) * aims
    return _as(shared.base[column.name], found.clip(column.merge.low, column.merge.high))


def _work(shared: Shared, column: Column, steps: Steps) -> tuple[Array, Array]:
    """The work of each part, (m,), and of all that changed the row together, (g,): more than 0."""
    pace = column.merge.number
    if "." in column.merge.by:
        taken = np.maximum(steps(column.merge.by)[1][shared.parts].astype(np.float64), LEAST)
        return pace * taken, pace * shared.total(taken)
    before, more = shared.base[column.merge.by].astype(np.float64) + dim.RANK_START, _grown(shared, column)
    return pace * _rooted(shared.spread(before), more), pace * _rooted(before, shared.total(more))


def _rooted(before: Array, more: Array) -> Array:
    """sqrt(before + more) - sqrt(before), without the loss of digits where more is little."""
    return np.asarray(more / (np.sqrt(before + more) + np.sqrt(before)))


def described(shared: Shared, column: Column, _steps: Steps) -> Array:
    """The first part's value that is not the base's."""
    base, values = shared.base[column.name], shared.values[column.name]
    other = values != shared.spread(base)
    other = other.any(axis=1) if column.shape else other
    order = np.where(other, np.arange(len(values)), len(values))
    first = np.minimum.reduceat(order, shared.starts)
    changed = first < len(values)
    found = base.copy()
    found[changed] = values[first[changed]]
    return found


def halved(shared: Shared, columns: list[str], limit: float) -> dict[str, Array]:
    """Counts that are halved together beyond a limit: as if nobody had halved, then halved as often as it takes.

    A part halved when its sum is below the base's: all else only adds.
    """
    before = np.stack([shared.base[name].astype(np.float64) for name in columns]).sum(0)
    after = np.stack([shared.values[name].astype(np.float64) for name in columns]).sum(0)
    factor = np.where(after < shared.spread(before), 2.0, 1.0)
    found = {
        name: np.maximum(
            shared.base[name] + shared.total(shared.values[name] * factor - shared.spread(shared.base[name])), 0.0
        )
        for name in columns
    }
    total = np.sum(list(found.values()), axis=0)
    share = 0.5 ** np.ceil(np.log2(np.maximum(total / limit, 1.0)))
    return {name: _as(shared.base[name], values * share) for name, values in found.items()}


def surviving(before: float | Array, steps: Array, least: float) -> Array:
    """What is left of a running mean after further steps, each of one over the count of steps or of `least`."""
    young = np.minimum(steps, np.maximum(np.floor(1.0 / least) - before, 0.0))  # steps of one over their number
    first = np.where(young > 0, before / np.maximum(before + young, 1.0), 1.0)
    return np.asarray(first * (1.0 - least) ** (steps - young))


def mean(shared: Shared, column: Column, steps: Steps) -> Array:
    """A running mean after the steps of all parts, whose targets weigh by their steps."""
    base, values = shared.base[column.name].astype(np.float64), shared.values[column.name].astype(np.float64)
    if "." in column.merge.by:
        before, taken = steps(column.merge.by)
        taken_each = taken[shared.parts].astype(np.float64)
        kept, left = (
            surviving(before, taken_each, column.merge.number),
            surviving(before, shared.total(taken_each), column.merge.number),
        )
        counts: Array = np.ones(len(values), bool)
    else:  # by a count of the same row, with a step that is always the same; the first value is taken as it is
        counted = shared.base[column.merge.by].astype(np.float64)
        taken_each = np.maximum(shared.values[column.merge.by] - shared.spread(counted), 0.0)
        counts = values != shared.spread(base)
        taken_each = np.where(counts, np.maximum(taken_each, 1.0), 0.0)
        known = base != column.default
        kept = np.where(shared.spread(known), (1.0 - column.merge.number) ** taken_each, 0.0)
        left = np.where(known, (1.0 - column.merge.number) ** shared.total(taken_each), 0.0)
    moved = np.where(counts & (kept < 1.0), (values - kept * shared.spread(base)) / np.maximum(1.0 - kept, 1e-12), 0.0)
    weights = np.where(counts & (kept < 1.0), taken_each, 0.0)
    total = shared.total(weights)
    target = shared.total(weights * moved) / np.maximum(total, 1e-12)
    return _as(shared.base[column.name], np.where(total > 0, left * base + (1.0 - left) * target, base))


def fading(shared: Shared, column: Column, steps: Steps) -> Array:
    """f^K F0 + sum (F_s - f^k_s F0) for K = sum k_s steps."""
    _, taken = steps(column.merge.by)
    base, weight = shared.base[column.name], column.merge.number
    each = weight ** taken[shared.parts].astype(np.float64)  # (m,)
    all_ = weight ** shared.total(taken[shared.parts].astype(np.float64))  # (g,)
    if column.shape:
        each, all_ = each[:, None], all_[:, None]
    return np.asarray(all_ * base + shared.total(shared.values[column.name] - each * shared.spread(base)))


def rate(shared: Shared, column: Column, _steps: Steps) -> Array:
    """Seconds between records: each part fades the base's rate and adds its own, over the same time."""
    base, values = shared.base[column.name], shared.values[column.name]
    passed = np.maximum(shared.values[column.merge.by] - shared.spread(shared.base[column.merge.by]), 0.0)
    kept = np.exp(-passed / column.merge.number)
    own = 1.0 / values - kept / shared.spread(base)
    left = np.exp(-np.maximum.reduceat(passed, shared.starts) / column.merge.number)
    return np.asarray(1.0 / (left / base + np.maximum(shared.total(own), 1e-12)))


_BY_RULE: Final[Mapping[Rule, Callable[[Shared, Column, Steps], Array]]] = {
    "settling": settling,
    "decayed": decayed,
    "largest": largest,
    "earliest": earliest,
    "described": described,
    "mean": mean,
    "fading": fading,
    "rate": rate,
}


def merged(shared: Shared, column: Column, steps: Steps) -> Array:
    """What the rows of a column become, by the rule that the schema declares."""
    return _BY_RULE[column.merge.rule](shared, column, steps)


def _as(like: Array, values: Array) -> Array:
    return np.asarray(values, like.dtype)


__all__ = ["Steps", "counted_steps", "halved", "merged"]
