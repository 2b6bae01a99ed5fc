"""Settings of a topic with records of another shape."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from models.records import EventMapping, EventRules
from streaming.settings.base import Section


class MappingSettings(Section):
    """A topic with records of another shape, and how they become events; one [[mapping]] each."""

    topic: str = Field(min_length=1, description="Topic to read in addition to ours.")
    fields: dict[str, str] = Field(
        description="Field of ours -> path in their record (`a.b[0].c`, or several as `a|b`, the first with a value "
        "counts), or @key, or @time for Kafka's time of it."
    )
    types: dict[str, str] = Field(
        default={},
        description="Their word -> our event type, or none to skip such records; @nothing = none skips records without "
        "a value or a type.",
    )
    constants: dict[str, str | float] = Field(
        default={}, description="Field of ours -> value, where their records have none."
    )
    time: str = Field(
        default="auto",
        description="Format of their times: auto (RFC 3339, or a number of seconds or milliseconds), seconds, "
        "milliseconds, microseconds, nanoseconds, excel (days), or a format of strptime.",
    )
    zone: str | None = Field(
        default=None, description="Zone of times that name none, for example Europe/Berlin or UTC."
    )

    default_type: str | None = Field(
        default=None, description="Our event type, or none, for records that name no type."
    )
    unknown_type: str | None = Field(
        default=None, description="Our event type, or none, for records whose word is neither in types nor one of ours."
    )
    transforms: dict[str, tuple[str, ...]] = Field(
        default={}, description="Field of ours -> what to do to its values: lower, `decimal ,`, `divide 100`."
    )
    envelope: Literal["none", "cloudevents"] = Field(
        default="none",
        description="cloudevents: their records are CloudEvents, of binary or structured mode; paths begin at the "
        "envelope, as data.sku and id do.",
    )

    def rules(self, events: EventRules) -> EventMapping:
        """The mapping that reads their records. Raises ValueError for one that cannot work."""
        mapping = EventMapping(
            events,
            self.fields,
            self.types,
            self.constants,
            self.time,
            self.zone,
            self.default_type,
            self.unknown_type,
            self.transforms,
        )
        if mapping.fans_out:
            raise ValueError(
                "a record of a topic is one event: name one of a list, as in items[0].id; files may hold [*]"
            )
        return mapping
