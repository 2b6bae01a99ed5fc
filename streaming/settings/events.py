"""Settings of events: which are valid, and which of the valid ones are learned."""

from __future__ import annotations

from pydantic import Field, model_validator

from models.records import ALIASES, KINDS, MAX_EVENT_BYTES, WEIGHTS, EventRules
from streaming.settings.base import Seconds, Section


class EventSettings(Section):
    """Which events count, under which names, and for how much."""

    types: tuple[str, ...] = Field(
        default=KINDS, description="Accepted event types; others are rejected as unknown_type."
    )
    aliases: dict[str, str] = Field(
        default=ALIASES, description="Another spelling of a type -> the type; added to the standard ones."
    )
    weights: dict[str, float] = Field(
        default=WEIGHTS, description="Weight of one event of a type, -100 to 100; types left out keep their default."
    )
    max_bytes: int = Field(
        default=MAX_EVENT_BYTES, ge=256, le=1 << 20, description="Bytes of one event; a longer one is `oversize`."
    )

    @model_validator(mode="after")
    def _sound_rules(self) -> EventSettings:
        self.rules()
        return self

    def rules(self) -> EventRules:
        """The rules that `models.records.decode` takes. Raises ValueError for an unknown type or an invalid weight."""
        return EventRules(self.types, self.aliases, self.weights, self.max_bytes)


class AdmissionSettings(Section):
    """Which valid events are learned, judged by the time of the record, so that a replay decides the same."""

    dedupe_window: int = Field(
        default=1 << 20,
        ge=0,
        le=1 << 20,
        description="Accepted events within which an event_id counts once (at least the last half of them).",
    )
    max_lateness: Seconds = Field(
        default=86_400.0, description="Seconds an event may be older than its record; an older one is `late`."
    )
    max_future: Seconds = Field(default=300.0, description="Seconds an event may be ahead of its record (clock skew).")
    cap_per_minute: int = Field(
        default=600,
        ge=1,
        description="Events of one user learned per minute; the busiest real basket measured had 541 lines.",
    )
