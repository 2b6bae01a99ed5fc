"""Collects the numbers of a decision: what guards measured, and each comparison with its interval. Stage 6."""

from __future__ import annotations

from models.gate.comparisons import latest
from models.gate.evidence import Evidence, Policy
from models.statistics import Comparison


def measured(evidence: Evidence, policy: Policy) -> dict[str, float]:
    """The numbers as the audit and `GET /gate` show them, by name.

    >>> from models.statistics import Standing
    >>> measured(Evidence(numbers={"items": 3.0}, standing=Standing(lag=0.5)), Policy())["lag"]
    0.5
    """
    numbers = dict(evidence.numbers)
    if evidence.standing is None:
        return numbers
    standing = evidence.standing
    window = standing.window
    numbers |= {"lag": standing.lag, "bad": window.bad, "top_user": window.top_user}
    numbers |= {"hit": window.hit, "usual_hit": window.usual, "hit_lately": window.lately}
    if standing.exposed.usual:
        numbers |= {"top_share": standing.exposed.top, "usual_top_share": standing.exposed.usual}
    for name in ("reference", "former", "champion", "probation", "learnt"):
        found = getattr(standing, name)
        if found is not None and found.n:
            numbers |= {f"{name}_last_n": float(found.lately.n), f"{name}_last_hit": _mean(found)}
            if name != "former":
                numbers |= _interval(name, found, policy)
    return numbers


def _mean(found: Comparison) -> float:
    last = found.lately
    return round(last.hit / max(last.n, 1), 6)


def _interval(name: str, found: Comparison, policy: Policy) -> dict[str, float]:
    bounds, lately = found.bounds(policy.alpha_harm), latest(found, policy, policy.alpha_harm)
    numbers = {
        f"{name}_n": float(found.n),
        f"{name}_hit": round(found.hit.mean, 6),
        f"{name}_hit_low": round(bounds.hit[0], 6),
        f"{name}_hit_high": round(bounds.hit[1], 6),
        f"{name}_reciprocal_low": round(bounds.reciprocal[0], 6),
        f"{name}_reciprocal_high": round(bounds.reciprocal[1], 6),
        f"{name}_margin": round(found.margin(policy.margin, policy.margin_relative), 6),
        f"{name}_crash": round(found.crashed(), 3),
        f"{name}_alike": round(max(found.design), 3),
    }
    if lately is not None and lately.n < found.n:
        # The decision rests on these: they are about the events since something else was shown.
        numbers |= {
            f"{name}_recent_n": float(lately.n),
            f"{name}_recent_hit_low": round(lately.hit[0], 6),
            f"{name}_recent_hit_high": round(lately.hit[1], 6),
            f"{name}_recent_reciprocal_low": round(lately.reciprocal[0], 6),
            f"{name}_recent_reciprocal_high": round(lately.reciprocal[1], 6),
        }
    return numbers


__all__ = ["measured"]
