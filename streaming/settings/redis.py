"""Settings of Redis: address, login and TLS, time-outs."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from pydantic import Field, field_validator

from streaming.settings.base import PasswordSection, Wait, first_line

SCHEMES: Final = ("redis://", "rediss://", "unix://", "redis+sentinel://", "rediss+sentinel://")

SENTINEL_PORT: Final = 26379


class SentinelAddress(NamedTuple):
    """Where sentinels are, and which primary to ask them for. The login is for Redis itself."""

    hosts: list[tuple[str, int]]
    service: str
    db: int
    tls: bool
    username: str | None
    password: str | None


def sentinels(url: str) -> SentinelAddress | None:
    """The sentinels that an address names; None for an address of Redis itself.

    Raises:
        ValueError: A host, the name of the primary, or the number of the database cannot be read.

    >>> sentinels("redis+sentinel://one,two:26380/shop/1").hosts
    [('one', 26379), ('two', 26380)]
    >>> sentinels("redis://one:6379/0")
    """
    scheme, _, rest = url.partition("://")
    if not scheme.endswith("+sentinel"):
        return None
    place, _, path = rest.partition("/")
    login, _, names = place.rpartition("@")
    hosts = [_host(name) for name in names.split(",")]
    service, _, db = path.partition("/")
    if not service or (db and not db.isdecimal()):
        raise ValueError("an address of sentinels reads redis+sentinel://HOST:26379,HOST:26379/NAME/0")
    username, _, password = login.partition(":")
    return SentinelAddress(
        hosts, service, int(db or 0), scheme.startswith("rediss"), unquote(username) or None, unquote(password) or None
    )


def _host(name: str) -> tuple[str, int]:
    parts = urlsplit(f"//{name}")
    if not parts.hostname:
        raise ValueError("an address of sentinels names each as HOST or HOST:PORT, separated by commas")
    return parts.hostname, parts.port or SENTINEL_PORT


class RedisSettings(PasswordSection):
    """The Redis that holds versions and histories."""

    url: str = Field(
        default="redis://127.0.0.1:6379/0",
        repr=False,
        description="redis://, rediss:// (TLS) or unix:// address; or redis+sentinel://, rediss+sentinel:// with the "
        "hosts of sentinels and the name of the primary: redis+sentinel://one:26379,two:26379/NAME/0.",
    )
    username: str | None = Field(default=None, description="Name of the ACL user.")
    sentinel_username: str | None = Field(
        default=None, description="Name of the ACL user at the sentinels, if they ask for one."
    )
    sentinel_password_file: Path | None = Field(
        default=None, description="File whose first line is the password of the sentinels, if they ask for one."
    )
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
        if not url.startswith(SCHEMES):
            raise ValueError(f"a Redis address starts with {', '.join(SCHEMES[:-1])} or {SCHEMES[-1]}")
        sentinels(url)
        return url

    def sentinel_secret(self) -> str | None:
        """The password of the sentinels, or None. Raises OSError when its file cannot be used."""
        return None if self.sentinel_password_file is None else first_line(self.sentinel_password_file)
