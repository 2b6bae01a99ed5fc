"""The name of another system, or a file, in; how its records become events out. Loads no model."""

from streaming.mappings.presets import MappingFile, MappingFileError, mapping_named, plain, presets, suiting

__all__ = ["MappingFile", "MappingFileError", "mapping_named", "plain", "presets", "suiting"]
