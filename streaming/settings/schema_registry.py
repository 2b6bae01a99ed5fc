"""Settings of a schema registry: where it is, and how to log in."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from streaming.settings.base import PasswordSection, Wait


class SchemaRegistrySettings(PasswordSection):
    """Where the schemas of Avro and Protobuf records are (docs/mapping.md)."""

    url: str | None = Field(
        default=None,
        description="Address of a schema registry with Confluent's routes, such as http://registry:8081. Without it, "
        "Avro and Protobuf records are refused.",
    )
    username: str | None = Field(default=None, description="Name of the user (or API key), where it wants a login.")
    cafile: Path | None = Field(
        default=None, description="Certificate authorities (PEM) that sign its certificate; default: the system's."
    )
    timeout: Wait = Field(default=5.0, description="Seconds it may take to answer; after them its records wait.")

    @field_validator("url")
    @classmethod
    def _plain_address(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if "@" in parts.netloc:
            raise ValueError("a login belongs into username and password_file, not into the address")
        port = parts.netloc.rpartition("]")[2].partition(":")[2]
        named = parts.hostname and parts.netloc.isascii() and (not port or port.isdigit())
        if parts.scheme not in {"http", "https"} or not named or parts.query or parts.fragment:
            raise ValueError("an address such as http://registry:8081")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _login_is_whole(self) -> SchemaRegistrySettings:
        secret = self.password is not None or self.password_file is not None
        if secret != (self.username is not None):
            raise ValueError("a login is username with password_file (or password): one of them is missing")
        return self
