"""Examines the schema registry: whether it answers, and whether what its topics hold can be decoded here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from service.doctor.findings import Finding
from streaming.formats import (
    FormatMissing,
    SchemaRegistry,
    SchemaWaits,
    UnusableSchema,
    check_installed,
    decoder_of,
)
from streaming.settings import Settings

CHECK: Final = "schemas.reachable"


def examine_registry(settings: Settings) -> Iterator[Finding]:
    """Examine the registry, and the newest schema of each topic that is read; nothing where there is no registry."""
    section = settings.schema_registry
    if section.url is None:
        return
    try:
        check_installed(section)
    except FormatMissing as missing:
        yield Finding("schemas.packages", "failure", "nothing that decodes its records is installed", str(missing))
    registry = SchemaRegistry(section)
    mapped = (each.topic for each in settings.mapping if each.topic)
    topics = [settings.topic("events"), settings.topic("items"), *mapped]
    kinds: dict[str, str] = {}
    for topic in topics:
        subject = f"{topic}-value"
        try:
            schema = registry.latest(subject)
            if schema is not None:
                decoder_of(schema)
                kinds[topic] = schema.kind
        except FormatMissing as missing:
            text = f"nothing here decodes the records of subject {subject!r}: its partitions wait"
            yield Finding("schemas.packages", "failure", text, str(missing))
        except SchemaWaits as error:
            mend = "fix what it names; until then records of Avro and Protobuf wait"
            yield Finding(CHECK, "failure", str(error), mend)
            return
        except UnusableSchema as error:
            text = f"subject {subject!r}: its newest schema cannot be used: {error}"
            yield Finding("schemas.usable", "failure", text, "its records go to the dead letter; register another one")
    found = ", ".join(f"{topic} has {kind}" for topic, kind in kinds.items()) or "none of the topics has a schema"
    yield Finding(CHECK, "ok", f"{section.url} answers: {found}")


__all__ = ["examine_registry"]
