"""Settings of the connection to Redis."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, field_validator, model_validator

from streaming.settings.base import Seconds, Section, read_secret


class _Password(Section):
    password: SecretStr | None = Field(
        default=None, description="Password. Never printed; better kept in `password_file`."
    )
    password_file: Path | None = Field(
        default=None, description="File whose first line is the password; read when a client is made."
    )

    @model_validator(mode="after")
    def _one_password(self) -> _Password:
        if self.password is not None and self.password_file is not None:
            raise ValueError("password and password_file are both set: keep one of them")
        return self

    def secret(self) -> str | None:
        """The password in force, or None. Raises OSError when its file cannot be read."""
        return read_secret(self.password, self.password_file)


class RedisSettings(_Password):
    """Where versions and histories live."""

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
    learner_timeout: Seconds = Field(default=5.0, description="Seconds one Redis call of the learner may take.")
    service_timeout: Seconds = Field(
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
