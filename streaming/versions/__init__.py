"""The id of a version in, the state it stands for out; which models to adopt, which versions to keep. Stage 5."""

from streaming.versions.adoption import PART, Adoption, AdoptionWatch, ask, asked, discard, due_model, fulfilled
from streaming.versions.delta_cache import DeltaCache
from streaming.versions.loading import Loaded, NeedsBase, NoSoundVersion, advance, lineage, load, recent
from streaming.versions.retention import BESIDE, HISTORY_BYTES, bytes_since_base, unneeded

__all__ = [
    "BESIDE",
    "HISTORY_BYTES",
    "PART",
    "Adoption",
    "AdoptionWatch",
    "DeltaCache",
    "Loaded",
    "NeedsBase",
    "NoSoundVersion",
    "advance",
    "ask",
    "asked",
    "bytes_since_base",
    "discard",
    "due_model",
    "fulfilled",
    "lineage",
    "load",
    "recent",
    "unneeded",
]
