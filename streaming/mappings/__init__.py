"""The name of another system, or a file, in; the mapping that reads its records out. Loads no model."""

from streaming.mappings.hash_key import HashKeyError, hash_key
from streaming.mappings.presets import (
    MappingFile,
    MappingFileError,
    item_presets,
    mapping_named,
    plain,
    presets,
    suiting,
    suiting_items,
)

__all__ = [
    "HashKeyError",
    "MappingFile",
    "MappingFileError",
    "hash_key",
    "item_presets",
    "mapping_named",
    "plain",
    "presets",
    "suiting",
    "suiting_items",
]
