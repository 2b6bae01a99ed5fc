"""Writes numbers of the gate as people read them: shares, differences in points, counts, durations. Stage 6."""

from __future__ import annotations

from typing import Final

POINT: Final = 100.0
"""Points of a hit rate of 1: a difference of one in a hundred is one point."""

_STEPS: Final = ((60.0, "s", 1.0), (3_600.0, "min", 60.0), (86_400.0, "h", 3_600.0), (float("inf"), "days", 86_400.0))
_FEW: Final = 2.0  # below two of a unit the smaller unit says more


def share(value: float) -> str:
    """Returns a share in per cent.

    >>> share(0.412), share(0.004), share(0.0)
    ('41 %', '0.4 %', '0 %')
    """
    percent = POINT * value
    return f"{percent:.0f} %" if percent >= 10.0 or percent == 0.0 else f"{percent:.1f} %"


def points(value: float) -> str:
    """Returns a difference in points, without its sign.

    >>> points(-0.0312), points(0.01)
    ('3.12 points', '1 point')
    """
    text = f"{POINT * abs(value):.2f}".rstrip("0").rstrip(".")
    return f"{text} point" if text == "1" else f"{text} points"


def between(low: float, high: float) -> str:
    """Returns what an interval of a difference says.

    >>> between(-0.03, -0.01)
    'between 3 and 1 points below'
    >>> between(-0.002, 0.011), between(0.0, 0.011)
    ('between 0.2 points below and 1.1 points above', 'between 0 and 1.1 points above')
    """
    lower, upper = points(low), points(high)
    if high < 0.0 or low >= 0.0:
        return f"between {lower.split()[0]} and {upper.split()[0]} points {'below' if high < 0.0 else 'above'}"
    return f"between {lower} below and {upper} above"


def count(value: float) -> str:
    """Returns an exact count.

    >>> count(2000.0)
    '2,000'
    """
    return f"{value:,.0f}"


def about(value: float) -> str:
    """Returns an estimated count, to two digits.

    >>> about(1834), about(97.2), about(3)
    ('about 1,800', 'about 97', 'about 3')
    """
    digits = max(0, len(str(int(value))) - 2)
    return f"about {round(value, -digits):,.0f}"


def span(seconds: float) -> str:
    """Returns a duration in the largest unit of which there are at least two.

    >>> span(0.0), span(1.2), span(95.0), span(300.0), span(20_000.0), span(400_000.0)
    ('0 s', '1 s', '95 s', '5 min', '6 h', '5 days')
    """
    for limit, unit, size in _STEPS:
        if seconds < _FEW * limit:
            return f"{seconds / size:.0f} {unit}"
    raise AssertionError("the last step has no limit")


__all__ = ["about", "between", "count", "points", "share", "span"]
