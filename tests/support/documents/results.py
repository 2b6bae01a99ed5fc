"""Reads `benchmarks/results` and formats its numbers for the documents: values, spreads, tables.

A result holds medians as `{"median": ..., "min": ..., "max": ..., "all": [...]}`, called a spread here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parents[3] / "benchmarks" / "results"


@cache
def result(name: str) -> dict[str, Any]:
    """The stored result of one benchmark."""
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def names() -> list[str]:
    """Every benchmark that has a stored result, by name."""
    return sorted(path.stem for path in RESULTS.glob("*.json"))


def at(name: str, path: str) -> Any:
    """The value at `path`, keys joined by `/`, in the result of a benchmark. KeyError names the missing key.

    >>> at("gate", "naive/z_test_every_event/false_promotion_rate") >= 0
    True
    """
    found: Any = result(name)
    for key in path.split("/"):
        if key not in found:
            raise KeyError(f"benchmarks/results/{name}.json has no {key!r} of {path!r}")
        found = found[key]
    return found


def number(value: float, digits: int = 1) -> str:
    """A number with thousands separated and a fixed number of decimals, halves rounded up.

    >>> number(39700.0, 0), number(0.245, 2), number(-0.0, 1)
    ('39,700', '0.25', '0.0')
    """
    rounded = Decimal(str(value + 0.0)).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    return f"{rounded:,f}"


def median(name: str, path: str, digits: int = 1) -> str:
    """The median of the spread at `path`."""
    return number(at(name, path)["median"], digits)


def spread(name: str, path: str, digits: int = 1) -> str:
    """The median of the spread at `path`, and in parentheses its lowest and highest run."""
    found = at(name, path)
    low, middle, high = (number(found[key], digits) for key in ("min", "median", "max"))
    return f"{middle} ({low} to {high})"


def percent(share: float) -> str:
    """A share as a percentage of at most two significant digits.

    >>> percent(0.138), percent(0.001), percent(1.0), percent(0.0)
    ('14 %', '0.1 %', '100 %', '0 %')
    """
    return f"{share * 100:.3g} %" if share >= 0.999 else f"{share * 100:.2g} %"


def duration(seconds: float) -> str:
    """Seconds as a reader says them.

    >>> duration(1.4), duration(172.8), duration(5089.8)
    ('1.4 s', '173 s', '85 min')
    """
    if seconds >= 300:
        return f"{seconds / 60:.0f} min"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table.

    >>> print(table(["a", "b"], [["1", "2"]]))
    | a | b |
    |---|---|
    | 1 | 2 |
    """
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("|---" * len(head) + "|" if line[0] == "---" else f"| {' | '.join(line)} |" for line in lines)
