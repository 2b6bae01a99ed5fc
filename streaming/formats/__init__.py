"""Turns records in Avro, Protobuf and CloudEvents into records in JSON. Stage 0."""

from streaming.formats.decoders import FormatMissing, check_installed, decoder_of
from streaming.formats.formats import Formats
from streaming.formats.registry import Registered, RegistryAway, SchemaRegistry, SchemaWaits, UnusableSchema

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
