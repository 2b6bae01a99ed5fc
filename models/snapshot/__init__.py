"""The contents of a version in, bytes out, and back. Stage 5."""

from models.snapshot.chunks import Damaged
from models.snapshot.compatibility import Incompatible, TooNew
from models.snapshot.decoding import Decoded, decode
from models.snapshot.encoding import Chunk, NotFinite, describe, encode
from models.snapshot.filling import fill
from models.snapshot.manifest import ChunkInfo, Manifest, seal, unseal, verify

__all__ = [
    "Chunk",
    "ChunkInfo",
    "Damaged",
    "Decoded",
    "Incompatible",
    "Manifest",
    "NotFinite",
    "TooNew",
    "decode",
    "describe",
    "encode",
    "fill",
    "seal",
    "unseal",
    "verify",
]
