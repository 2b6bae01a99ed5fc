"""Turns records in Avro, Protobuf and CloudEvents into records in JSON. Stage 0."""

from streaming.formats.formats import Formats
from streaming.formats.registry import Registered, RegistryAway, SchemaRegistry, SchemaWaits, UnusableSchema
from streaming.formats.schemas import FormatMissing, check_installed, decoder_of

__all__ = [
    "FormatMissing",
    "Formats",
    "Registered",
    "RegistryAway",
    "SchemaRegistry",
    "SchemaWaits",
    "UnusableSchema",
    "check_installed",
    "decoder_of",
]
