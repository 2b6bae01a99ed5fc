"""Settings of the HTTP service."""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path

from pydantic import Field, field_validator

from models.records import EventRules
from models.slate import Seen
from streaming.settings.base import Port, Section, Wait


class ServiceSettings(Section):
    """The HTTP API."""

    host: str = Field(
        default="127.0.0.1", description="Address to listen on; another than loopback needs keys, or insecure."
    )
    port: Port = Field(default=8000, description="Port to listen on.")
    insecure: bool = Field(default=False, description="Allow listening beyond loopback without keys.")
    keys: tuple[str, ...] = Field(
        default=(), description="Key hashes, each ROLE:SHA256-HEX with role read, events, beacon or admin."
    )
    keys_file: Path | None = Field(default=None, description="File with one ROLE:SHA256-HEX a line.")
    max_body_bytes: int = Field(
        default=4 << 20, ge=1_024, description="Bytes of a request body; a larger one is answered 413."
    )
    connections_per_address: int = Field(
        default=512, ge=8, le=2_000, description="Connections of one address at once; proxies may have all there are."
    )
    max_events_per_request: int = Field(
        default=10_000, ge=1, description="Events in one POST /events; more is answered 413."
    )
    proxies: tuple[str, ...] = Field(
        default=(), description="Addresses or networks of proxies whose X-Forwarded-For and -Proto are believed."
    )
    root_path: str = Field(
        default="", description="Path under which a proxy shows the service, as /reco; it may remove it or not."
    )
    rate_limit: float = Field(default=0.0, ge=0, le=1e6, description="Requests a second per key; 0: no limit.")
    beacon_origins: tuple[str, ...] = Field(
        default=(), description="Origins of pages that may send events with a beacon key, as https://shop.example."
    )
    beacon_types: tuple[str, ...] = Field(
        default=("click", "favourite", "unfavourite", "cart", "search", "impression"),
        description="Event types that a beacon key may send.",
    )
    beacon_rate: float = Field(
        default=500.0, gt=0, le=1e6, description="Requests a second per beacon key; more is answered 429."
    )
    beacon_client_rate: float = Field(
        default=5.0, gt=0, le=1e6, description="Requests a second per beacon key and address; twice as many at once."
    )
    beacon_max_bytes: int = Field(
        default=16 << 10, ge=256, description="Bytes of a request with a beacon key; more is answered 413."
    )
    beacon_recommend: bool = Field(
        default=False,
        description="Whether a beacon key may ask for the recommendations of a visitor with a random id, by POST "
        "/recommend.",
    )
    beacon_attributes: tuple[str, ...] = Field(
        default=("url", "image_url"), description="Attributes that a beacon key may ask for with them."
    )
    identify_secret_file: Path | None = Field(
        default=None,
        description="File whose first line is the secret by which the shop's server signs pairs of ids for POST "
        "/identify with a beacon key; without it a beacon key joins nothing.",
    )
    exclude_seen: Seen = Field(
        default="none",
        description="What slates leave out of a user's history unless a request says otherwise: nothing, purchases, or "
        "all of it.",
    )
    exclude_in_view: bool = Field(
        default=True,
        description="Whether slates leave out the item that the user looks at, the newest of the history if it is less "
        "than half an hour old, unless a request says otherwise.",
    )
    language: str = Field(
        default="en",
        description="Language of reasons where a request wants none that there is: en, zh, or your own.",
    )
    languages_dir: Path | None = Field(
        default=None,
        description="Folder with sentences of reasons in further languages, one file LANGUAGE.toml each; en.toml of "
        "the package is the model.",
    )
    poll_interval: Wait = Field(default=0.2, description="Seconds between checks for a new serving version.")
    slate_sample: float = Field(
        default=1.0, ge=0, le=1, description="Share of the slates that are written to topic slates; 0: none."
    )
    slates_per_second: float = Field(
        default=100.0, gt=0, le=100_000, description="Slates written a second, at most; the rest is left out."
    )

    @field_validator("proxies")
    @classmethod
    def _addresses(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in proxies:
            try:
                ip_network(proxy)
            except ValueError:
                raise ValueError(f"{proxy!r} is no address or network: write 10.0.0.7 or 10.0.0.0/24") from None
        return proxies

    @field_validator("root_path")
    @classmethod
    def _whole_path(cls, path: str) -> str:
        if path and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", path):
            raise ValueError(f"{path!r} is no path: write it as /reco, without a slash at its end")
        return path

    @field_validator("beacon_origins")
    @classmethod
    def _whole_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if not re.fullmatch(r"https?://[a-z0-9.\-\[\]:]+", origin):
                raise ValueError(f"{origin!r} is no origin: write only scheme and host, as https://shop.example")
        return origins

    @field_validator("beacon_types")
    @classmethod
    def _known_types(cls, types: tuple[str, ...]) -> tuple[str, ...]:
        EventRules(types)
        return types
