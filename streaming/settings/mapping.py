"""Settings of records of another shape: of a topic, or of requests."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from models.records import FACTS, EventMapping, EventRules
from streaming.mappings import HashKeyError, MappingFile, hash_key, mapping_named
from streaming.settings.base import Section


class MappingSettings(Section):
    """Records of another shape, and how they become events; one [[mapping]] each."""

    topic: str | None = Field(
        default=None, min_length=1, description="Topic to read in addition to ours; none for requests alone."
    )
    name: str = Field(
        default="", description="Name for `POST /events?mapping=NAME` and `check-mapping`; default: the topic."
    )
    preset: str = Field(
        default="", description="A preset or a mapping file (NAME.toml) that the keys here come on top of."
    )
    fields: dict[str, str] = Field(
        default={},
        description="Field of ours -> path in their record (`a.b[0].c`, `lines[*].sku` for each of a list, or several "
        "as `a|b`, the first with a value counts), or @key, or @time for Kafka's time of it. On top of a preset, none "
        "drops a field.",
    )
    types: dict[str, str] = Field(
        default={},
        description="Their word -> our event type, or none to skip such records; in any case where none matches as it "
        "is written. @nothing = none skips records without a value or a type.",
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
    skip: dict[str, tuple[str, ...]] = Field(
        default={},
        description="Path in their record -> its values, in any case, or * for any but nothing, false, no and zero: a "
        "record with one of them is no event, as of a cancelled order. On top of a preset, an empty list drops one of "
        "its paths.",
    )
    transforms: dict[str, tuple[str, ...]] = Field(
        default={}, description="Field of ours -> what to do to its values: lower, `decimal ,`, `divide 100`, hash."
    )
    envelope: Literal["none", "cloudevents"] = Field(
        default="none",
        description="cloudevents: their records are CloudEvents, of binary or structured mode; paths begin at the "
        "envelope, as data.sku and id do.",
    )
    hash_key_file: Path | None = Field(
        default=None, description="File with the secret key of the transform hash, at least 16 characters."
    )

    @property
    def called(self) -> str:
        """The name that requests and commands know it by."""
        return self.name or self.topic or ""

    @property
    def how(self) -> MappingFile:
        """The mapping as a file would have it, on top of its preset. Raises ValueError."""
        own = MappingFile(
            fields=self.fields,
            types=self.types,
            constants=self.constants,
            transforms={field: list(steps) for field, steps in self.transforms.items()},
            time=self.time,
            zone=self.zone,
            default_type=self.default_type,
            unknown_type=self.unknown_type,
            skip={path: list(values) for path, values in self.skip.items()},
        )
        return own.on(mapping_named(self.preset)) if self.preset else own

    @property
    def hash_key(self) -> str:
        """The key of the transform hash, "" for none. Raises ValueError."""
        if self.hash_key_file is None:
            return ""
        try:
            return hash_key(self.hash_key_file)
        except HashKeyError as error:
            raise ValueError(f"hash_key_file: {error}") from None

    def rules(self, events: EventRules) -> EventMapping:
        """The mapping that reads their records. Raises ValueError for one that cannot work."""
        if not self.called:
            raise ValueError("it has neither topic nor name: say which topic it reads, or how requests name it")
        return event_mapping(self.how, events, self.hash_key.encode() or None)


def event_mapping(how: MappingFile, events: EventRules, key: bytes | None = None) -> EventMapping:
    """The mapping of a file or preset for records one at a time, which complete facts of items. Raises ValueError."""
    if how.fill:
        raise ValueError(f"fill ({', '.join(how.fill)}) is for tables: records of a topic or a request come one by one")
    return EventMapping(
        events,
        how.fields,
        how.types,
        how.constants,
        how.time,
        how.zone,
        how.default_type,
        how.unknown_type,
        how.transforms,
        FACTS,
        key,
        skip=how.skip,
        one_by_one=True,
    )


__all__ = ["MappingSettings", "event_mapping"]
