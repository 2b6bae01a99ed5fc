"""Settings of the gate, which decides what goes live."""

from __future__ import annotations

from itertools import pairwise
from typing import Final, Literal

from pydantic import Field, model_validator

from streaming.settings.base import Seconds, Section

MOST_ANCHORS: Final = 4
"""Ages of anchors, at most: each takes its share of the comparisons, and versions in Redis."""


class GateSettings(Section):
    """When a version goes live, and when it is rolled back."""

    mode: Literal["continuous", "strict", "shadow", "manual", "frozen"] = Field(
        default="continuous",
        description="Mode an installation starts with: continuous, strict, shadow, manual, frozen (docs/gate.md).",
    )
    alpha: float = Field(
        default=0.01, gt=0, lt=0.5, description="Probability of calling a version no worse, or better, when it is not."
    )
    alpha_harm: float = Field(
        default=0.05,
        gt=0,
        lt=0.5,
        description="Probability, per reference, of rolling back a version that does no harm.",
    )
    margin: float = Field(
        default=0.005, ge=0, le=0.5, description="Hit rate by which a version may be worse and still count as no worse."
    )
    least_tested: int = Field(
        default=2_000, ge=1, description="Tested events before mode strict judges, or the reference moves."
    )
    cooldown: Seconds = Field(
        default=300.0, description="Seconds without promotions after a rollback; doubled with each further one."
    )
    anchors: tuple[Seconds, ...] = Field(
        default=(3_600.0, 86_400.0, 604_800.0),
        max_length=MOST_ANCHORS,
        description="Ages of the older versions that a candidate may not fall behind by more than the margin, in "
        "seconds, rising; [] for none (docs/gate.md).",
    )
    quarantine: Literal["ask", "auto"] = Field(
        default="ask",
        description="After a rollback for harm: propose to quarantine what was learned since the reference, or do so "
        "at once (docs/gate.md).",
    )
    canary_queries: int = Field(
        default=8, ge=1, le=1_000, description="Queries that a candidate must answer before it may be served."
    )
    max_version_age: Seconds = Field(
        default=3_600.0, description="Seconds after which the served version counts as stale."
    )

    @model_validator(mode="after")
    def _anchors_rise(self) -> GateSettings:
        if any(one >= other for one, other in pairwise(self.anchors)):
            raise ValueError("anchors must rise: write the youngest age first, and each once")
        return self
