"""Settings of Redis: address, login and TLS, time-outs."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator

from streaming.settings.base import PasswordSection, Wait


class RedisSettings(PasswordSection):
    """The Redis that holds versions and histories."""

    url: str = Field(
        default="redis://127.0.0.1:6379/0", repr=False, description="redis://, rediss:// (TLS) or unix:// address."
    )
    username: str | None = Field(default=None, description="Name of the ACL user.")
    cafile: Path | None = Field(
        default=None, description="Certificate authorities (PEM) that sign the server's certificate."
    )
    certfile: Path | None = Field(default=None, description="Our client certificate (PEM).")
    keyfile: Path | None = Field(default=None, description="Private key (PEM) of `certfile`.")
    check_hostname: bool = Field(
        default=True, description="Whether the server's certificate must name the host we called."
    )
    learner_timeout: Wait = Field(default=5.0, description="Seconds one Redis call of the learner may take.")
    service_timeout: Wait = Field(
        default=0.25,
        lt=1,
        description="Seconds one Redis call of the service may take; a slower Redis means answers without it.",
    )

    @field_validator("url")
    @classmethod
    def _known_scheme(cls, url: str) -> str:
        if not url.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("a Redis address starts with redis://, rediss:// or unix://")
        return url
