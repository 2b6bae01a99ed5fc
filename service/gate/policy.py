"""Settings in; the policy that the gate decides by, out."""

from __future__ import annotations

from models.gate import Policy
from streaming.settings import Settings


def policy_of(settings: Settings) -> Policy:
    """The policy that the settings ask for."""
    mine = settings.gate
    return Policy(
        cooldown=mine.cooldown,
        canary_queries=mine.canary_queries,
        alpha=mine.alpha,
        alpha_harm=mine.alpha_harm,
        margin=mine.margin,
        least_tested=mine.least_tested,
        healthy_tested=mine.least_tested,
    )
