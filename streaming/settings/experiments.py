"""Settings of experiments on users."""

from __future__ import annotations

from pydantic import Field

from streaming.settings.base import Section


class ExperimentsSettings(Section):
    """Experiments that run for good; others are [[experiment]], or are started by command (docs/experimenting.md)."""

    holdout: float = Field(
        default=0.0,
        ge=0,
        le=0.5,
        description="Share of the users who get a list of popular items, to measure what the recommender is worth, as "
        "0.02; 0: none.",
    )
