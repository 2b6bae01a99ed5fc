"""Reads the secret key that ids are hashed with from its file, or says what is wrong with the file."""

from __future__ import annotations

from pathlib import Path
from typing import Final

LEAST: Final = 16
"""Characters of a key, at least."""


class HashKeyError(ValueError):
    """The file holds no key. The message says what to do."""


def hash_key(file: Path) -> str:
    """The key in a file, without blanks around it. Raises HashKeyError."""
    try:
        key = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise HashKeyError(f"cannot read {file}: {error}") from None
    if len(key) < LEAST:
        raise HashKeyError(f"the key in {file} has fewer than {LEAST} characters: openssl rand -hex 32 makes one")
    return key


__all__ = ["HashKeyError", "hash_key"]
