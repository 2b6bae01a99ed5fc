"""The id of a version in; the state it stands for out. Loaded by the API."""

from streaming.versions.adoption import PART, Adoption, Watch, ask, asked, discard, fulfilled
from streaming.versions.delta_cache import DeltaCache
from streaming.versions.loading import NoSoundVersion
from streaming.versions.retention import BESIDE, bytes_since_base, unneeded

__all__ = [
    "BESIDE",
    "PART",
    "Adoption",
    "DeltaCache",
    "NoSoundVersion",
    "Watch",
    "ask",
    "asked",
    "bytes_since_base",
    "discard",
    "fulfilled",
    "unneeded",
]
