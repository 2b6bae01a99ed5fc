"""Turns raw numbers of several runs into medians with their spread, verdicts against must and goal, and a table."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any


def spread(values: Sequence[float], digits: int = 3) -> dict[str, Any]:
    """Return median, lowest, highest and all values, in the order of the runs.

    >>> spread([3.0, 1.0, 2.0])
    {'median': 2.0, 'min': 1.0, 'max': 3.0, 'all': [3.0, 1.0, 2.0]}
    """
    rounded = [round(value, digits) for value in values]
    return {
        "median": round(statistics.median(values), digits),
        "min": min(rounded),
        "max": max(rounded),
        "all": rounded,
    }


def verdict(name: str, value: float, unit: str, must: float | None, goal: float | None, higher: bool) -> dict[str, Any]:
    """Compare one figure with the value it must and the value it should reach.

    >>> verdict("ratio", 0.4, "", 0.35, 0.5, True)["reached"]
    'must'
    """

    def holds(bound: float | None) -> bool:
        return bound is not None and (value >= bound if higher else value <= bound)

    reached = "goal" if holds(goal) else "must" if holds(must) else "neither"
    return {"name": name, "value": value, "unit": unit, "must": must, "goal": goal, "reached": reached}


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` of the values lie (nearest rank); NaN when there are none.

    >>> percentile([4.0, 1.0, 3.0, 2.0], 0.5)
    2.0
    """
    ordered = sorted(values)
    if not ordered:
        return float("nan")
    return ordered[min(len(ordered) - 1, max(0, int(-(-share * len(ordered) // 1)) - 1))]


def table(result: dict[str, Any]) -> str:
    """Write figures against must and goal, then every other number, one a line."""
    lines = [f"{result['benchmark']}"]
    lines += [_figure(figure) for figure in result.get("figures", [])]
    for key, value in result.items():
        if key not in {"benchmark", "figures"}:
            lines += _lines(key, value)
    return "\n".join(lines)


def _figure(figure: dict[str, Any]) -> str:
    shown = {key: "-" if figure[key] is None else f"{figure[key]:g}" for key in ("value", "must", "goal")}
    text = f"  {figure['name']:44} {shown['value']:>9} {figure['unit']:6}"
    return f"{text} must {shown['must']:>6}  goal {shown['goal']:>6}  reaches: {figure['reached']}"


def _lines(key: str, value: Any, indent: str = "  ") -> list[str]:
    if isinstance(value, dict) and "median" in value and "all" in value:
        return [f"{indent}{key:42} {value['median']:>10g}   ({value['min']:g} to {value['max']:g})"]
    if isinstance(value, dict):
        inner = [line for name, part in value.items() for line in _lines(name, part, indent + "  ")]
        return [f"{indent}{key}", *inner]
    if isinstance(value, list):
        return [f"{indent}{key:42} {', '.join(map(str, value[:12]))}"]
    return [f"{indent}{key:42} {value}"]
