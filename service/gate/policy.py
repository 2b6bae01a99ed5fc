"""Makes the gate's policy from the settings."""

from __future__ import annotations

from models.gate import Policy
from streaming.settings import Settings


def policy_of(settings: Settings) -> Policy:
    """The policy of the settings."""
    section = settings.gate
    return Policy(
        cooldown=section.cooldown,
        canary_queries=section.canary_queries,
        alpha=section.alpha,
        alpha_harm=section.alpha_harm,
        margin=section.margin,
        least_tested=section.least_tested,
        healthy_tested=section.least_tested,
        anchors=section.anchors,
    )
