"""In: a [[mapping]] of the settings, checked. Out: what reads the records of its topic."""

from __future__ import annotations

from pydantic import Field

from models.records import EventMapping, EventRules
from streaming.settings.base import Section


class MappingSettings(Section):
    """A topic with records of another shape, and how they become events; one [[mapping]] each."""

    topic: str = Field(min_length=1, description="Topic to read beside ours.")
    fields: dict[str, str] = Field(
        description="Field of ours -> path in their record (`a.b[0].c`), or @key, or @time for Kafka's time of it."
    )
    types: dict[str, str] = Field(
        default={}, description="Their word -> our event type, or none to pass such records over."
    )
    constants: dict[str, str | float] = Field(
        default={}, description="Field of ours -> value, where their records do not say."
    )
    time: str = Field(
        default="auto",
        description="What their times are: auto (RFC 3339, or a number of seconds or milliseconds), seconds, "
        "milliseconds, microseconds, nanoseconds, or a format of strptime.",
    )
    zone: str | None = Field(default=None, description="Zone of times that name none, as Europe/Berlin or UTC.")

    def rules(self, events: EventRules) -> EventMapping:
        """What reads their records. Raises ValueError for a mapping that cannot work."""
        return EventMapping(events, self.fields, self.types, self.constants, self.time, self.zone)
