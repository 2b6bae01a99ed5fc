"""A panel as a value that `build` renders, and queries that several dashboards share."""

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
    """One graph or number.

    Attributes:
        title: its title.
        about: what it shows, for its description.
        unit: Grafana's name of the unit.
        queries: PromQL and legend of each query.
        kind: Grafana's type of panel.
        width: of 24.
        height: in rows of the grid.
        limit: drawn as a line, red on the side `worse`.
        worse: the side of the limit that is bad.
        alerts: alerts that watch the same, each a link to the runbook.
        signed: the axis may go below 0.
    """

    title: str
    about: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    kind: str = "timeseries"
    width: int = 8
    height: int = 7
    limit: float | None = None
    worse: Literal["above", "below"] = "above"
    alerts: tuple[str, ...] = ()
    signed: bool = False


Rows: TypeAlias = tuple[tuple[str, tuple[Panel, ...]], ...]


def quantiles(metric: str, by: str = "", where: str = "") -> tuple[tuple[str, str], ...]:
    """Returns the queries for median and 99th percentile of a histogram.

    Args:
        metric: its name.
        by: a label to split by, "" for none.
        where: matchers of labels, in braces.
    """
    group = f"le, {by}" if by else "le"
    legend = f" {{{{{by}}}}}" if by else ""
    rate = f"sum by ({group}) (rate({metric}_bucket{where}[$__rate_interval]))"
    return tuple((f"histogram_quantile({q}, {rate})", f"p{round(q * 100)}{legend}") for q in (0.5, 0.99))


def rate(metric: str, by: str = "") -> tuple[tuple[str, str], ...]:
    """Returns the query for a counter's rate per second, summed, split by a label if one is named."""
    group = f"by ({by}) " if by else ""
    return ((f"sum {group}(rate({metric}[$__rate_interval]))", f"{{{{{by}}}}}" if by else "all"),)


def top(metric: str, by: str = "") -> tuple[tuple[str, str], ...]:
    """Returns the query for the highest value of a gauge among all processes, split by a label if one is named."""
    group = f"by ({by}) " if by else ""
    return ((f"max {group}({metric})", f"{{{{{by}}}}}" if by else "highest"),)
