"""Settings of what an event may be, and which events are learned."""

from __future__ import annotations

from pydantic import Field, model_validator

from models.records import ALIASES, KINDS, MAX_EVENT_BYTES, WEIGHTS, EventRules
from streaming.settings.base import Seconds, Section


class EventSettings(Section):
    """Which events count, under which names, and for how much."""

    types: tuple[str, ...] = Field(
        default=KINDS, description="Accepted event types; the others are refused as unknown_type."
    )
    aliases: dict[str, str] = Field(
        default=ALIASES, description="Another spelling of a type -> the type; added to the standard ones."
    )
    weights: dict[str, float] = Field(
        default=WEIGHTS, description="What one event of a type counts, -100 to 100; those left out keep theirs."
    )
    max_bytes: int = Field(
        default=MAX_EVENT_BYTES, ge=256, le=1 << 20, description="Bytes of one event; longer is `oversize`."
    )

    @model_validator(mode="after")
    def _sound_rules(self) -> EventSettings:
        self.rules()
        return self

    def rules(self) -> EventRules:
        """The rules `models.records.events.decode` takes. Raises ValueError for an unknown type or an odd weight."""
        return EventRules(self.types, self.aliases, self.weights, self.max_bytes)


class AdmissionSettings(Section):
    """Which valid events are learnt. All by record time, so that a replay decides the same."""

    dedupe_window: int = Field(
        default=1 << 20,
        ge=0,
        le=1 << 20,
        description="Accepted events within which an event_id counts once (at least the last half).",
    )
    max_lateness: Seconds = Field(
        default=86_400.0, description="Seconds an event may be older than its record; more is `late`."
    )
    max_future: Seconds = Field(default=300.0, description="Seconds an event may be ahead of its record (clock skew).")
    cap_per_minute: int = Field(
        default=600,
        ge=1,
        description="Events of one user learnt per minute; the busiest real basket measured had 541 lines.",
    )
