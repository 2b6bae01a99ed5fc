"""Makes keys of the API: the key for the caller, the hash of it for the settings."""

from __future__ import annotations

import hashlib
import secrets


def new_key(role: str) -> tuple[str, str]:
    """A key, and ROLE:SHA256-HEX, as `service.keys` and the lines of `service.keys_file` have it."""
    key = secrets.token_hex(24)  # no sign in it that a shell, or an option's value, could begin with
    return key, f"{role}:{hashlib.sha256(key.encode()).hexdigest()}"


__all__ = ["new_key"]
