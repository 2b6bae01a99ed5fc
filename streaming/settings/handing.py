"""Settings in force in; JSON for a process of our own, and the settings there, out.

Secrets are in it: it goes through a pipe, never into arguments, the environment or a file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from pydantic import SecretStr

from streaming.settings.tree import Settings


def handed_over(settings: Settings, *sections: str) -> bytes:
    """Some sections of the settings as JSON; the others are as by default where they arrive.

    >>> settings = Settings.model_validate({"namespace": "shop", "redis": {"password": "s3cret"}})
    >>> taken = taken_over(handed_over(settings, "namespace", "redis"))
    >>> taken.namespace, taken.redis.secret()
    ('shop', 's3cret')
    """
    return msgspec.json.encode(settings.model_dump(include=set(sections)), enc_hook=_revealed)


def taken_over(raw: bytes) -> Settings:
    """The settings that `handed_over` wrote. Raises ValueError for anything else."""
    return Settings.model_validate(msgspec.json.decode(raw))


def _revealed(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(f"{type(value).__name__} is no value of a setting")


__all__ = ["handed_over", "taken_over"]
