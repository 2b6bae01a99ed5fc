"""A panel's words and queries in, a value that `build` can render out; and queries that several dashboards share."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

FAILING = (
    '(sum(rate(sluicegate_http_requests_total{code=~"5.."}[5m])) or vector(0))'
    " / clamp_min(sum(rate(sluicegate_http_requests_total[5m])), 1e-9)"
)
AGAINST_BEST = (
    'max(sluicegate_prequential_hit_rate{contender="served"})'
    ' / clamp_min(max(sluicegate_prequential_hit_rate{contender!~"served|ranker|linear"}), 1e-9)'
)


class Panel(NamedTuple):
    """One graph or number: what it shows, in which unit, and the queries with their legends.

    `limit`: drawn as a line, red on the side `worse`. `alerts`: those that look at this, each a link to the runbook.
    `signed`: the axis may go below 0.
    """

    title: str
    about: str
    unit: str
    queries: tuple[tuple[str, str], ...]  # (PromQL, legend)
    kind: str = "timeseries"
    width: int = 8
    height: int = 7
    limit: float | None = None
    worse: Literal["above", "below"] = "above"
    alerts: tuple[str, ...] = ()
    signed: bool = False


Rows: TypeAlias = tuple[tuple[str, tuple[Panel, ...]], ...]


def quantiles(metric: str, by: str = "", where: str = "") -> tuple[tuple[str, str], ...]:
    """Median and 99th percentile of a histogram, of the series with labels `where`."""
    group = f"le, {by}" if by else "le"
    legend = f" {{{{{by}}}}}" if by else ""
    rate = f"sum by ({group}) (rate({metric}_bucket{where}[$__rate_interval]))"
    return tuple((f"histogram_quantile({q}, {rate})", f"p{round(q * 100)}{legend}") for q in (0.5, 0.99))


def rate(metric: str, by: str = "") -> tuple[tuple[str, str], ...]:
    """A counter's rate a second, summed, by a label if one is named."""
    group = f"by ({by}) " if by else ""
    return ((f"sum {group}(rate({metric}[$__rate_interval]))", f"{{{{{by}}}}}" if by else "all"),)


def top(metric: str, by: str = "") -> tuple[tuple[str, str], ...]:
    """A gauge, the highest of all processes, by a label if one is named."""
    group = f"by ({by}) " if by else ""
    return ((f"max {group}({metric})", f"{{{{{by}}}}}" if by else "highest"),)
