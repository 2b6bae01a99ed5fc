"""Settings of Kafka: brokers, topics, login and TLS, time-outs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from streaming.settings.base import PasswordSection, Wait


class KafkaSettings(PasswordSection):
    """The brokers, the topics, and how to log in."""

    bootstrap: str = Field(default="127.0.0.1:9092", description="Brokers, host:port, separated by commas.")
    partitions: int = Field(
        default=4, ge=1, le=1024, description="Partitions of a topic that `sluicegate` has to create."
    )
    replication: int = Field(default=1, ge=1, le=10, description="Replicas of a topic that `sluicegate` has to create.")
    events_topic: str | None = Field(default=None, description="Topic of events. Default: events, or NAMESPACE.events.")
    items_topic: str | None = Field(default=None, description="Topic of item facts (compacted). Default: items.")
    control_topic: str | None = Field(default=None, description="Topic of control records. Default: control.")
    slates_topic: str | None = Field(default=None, description="Topic of slates that were shown. Default: slates.")
    deadletter_topic: str | None = Field(
        default=None, description="Topic of rejected records. Default: events.deadletter."
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="How to connect. SASL_SSL for a broker outside this machine."
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None = Field(
        default=None, description="How to log in; needed with SASL_PLAINTEXT and SASL_SSL."
    )
    username: str | None = Field(default=None, description="Name of the user; with `token_url`, id of the client.")
    token_file: Path | None = Field(
        default=None, description="File with the token of OAUTHBEARER, renewed by another program; read at each login."
    )
    token_url: str | None = Field(
        default=None,
        description="Endpoint that issues tokens of OAUTHBEARER for `username` and password (client credentials).",
    )
    token_scope: str | None = Field(default=None, description="Scope to request from `token_url`, where it wants one.")
    token_cafile: Path | None = Field(
        default=None, description="Certificate authorities (PEM) that sign `token_url`'s; default: the system's."
    )
    cafile: Path | None = Field(
        default=None, description="Certificate authorities (PEM) that sign the brokers' certificates."
    )
    certfile: Path | None = Field(default=None, description="Our client certificate (PEM), where brokers want one.")
    keyfile: Path | None = Field(default=None, description="Private key (PEM) of `certfile`.")
    check_hostname: bool = Field(
        default=True, description="Whether a broker's certificate must name the host we called."
    )
    bootstrap_timeout: Wait = Field(default=30.0, description="Seconds to find the first broker before giving up.")
    request_timeout: Wait = Field(
        default=15.0, description="Seconds one request may take; every blocking call is bounded."
    )
    refresh_interval: Wait = Field(
        default=30.0, description="Seconds between checks for new partitions; at most 60.", le=60
    )
    producer_buffer: int = Field(
        default=32 << 20, ge=1 << 20, description="Bytes that may wait for the broker; beyond it sends are refused."
    )

    @field_validator("bootstrap")
    @classmethod
    def _host_and_port(cls, servers: str) -> str:
        named = [server.strip() for server in servers.split(",") if server.strip()]
        for server in named:
            host, _, port = server.rpartition(":")
            if "@" in server:
                raise ValueError("write brokers as host:port alone; a login belongs into username and password_file")
            if not host or not port.isdigit():
                raise ValueError(f"{server!r} is not host:port")
        if not named:
            raise ValueError("name at least one broker, as host:port")
        return ",".join(named)

    @model_validator(mode="after")
    def _login_is_whole(self) -> KafkaSettings:
        if not self.security_protocol.startswith("SASL"):
            if self.sasl_mechanism is not None:
                raise ValueError(
                    f"sasl_mechanism needs security_protocol SASL_SSL (or SASL_PLAINTEXT), not {self.security_protocol}"
                )
            return self
        bearer = self.sasl_mechanism == "OAUTHBEARER"
        if bearer and (self.token_file is None) == (self.token_url is None):
            raise ValueError("sasl_mechanism OAUTHBEARER needs token_file or token_url, one of them")
        if self.sasl_mechanism is None or (self.username is None and self.token_file is None):
            raise ValueError(f"security_protocol {self.security_protocol} needs sasl_mechanism and username")
        if self.password is None and self.password_file is None and self.token_file is None:
            raise ValueError(f"sasl_mechanism {self.sasl_mechanism} needs password_file (or password)")
        return self

    @field_validator("token_url")
    @classmethod
    def _secret_stays_secret(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
            raise ValueError("an https:// address, since the client's secret goes there (http:// on this machine only)")
        return url
