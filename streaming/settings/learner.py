"""In: values as read from file and environment. Out: the frozen sections of the settings tree, each value checked.

Units are in the descriptions: durations in seconds, sizes in bytes. `docs/configuration.md` is held against this file.
"""

from __future__ import annotations

import errno
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from models.records.events import ALIASES, KINDS, MAX_EVENT_BYTES, WEIGHTS, EventRules

Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0)]


class Section(BaseModel):
    """A frozen part of the tree that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


def read_secret(value: SecretStr | None, file: Path | None) -> str | None:
    """The secret in force: the value itself, or the first line of `file`, read anew so that a rotated file counts.

    Raises OSError when the file cannot be read or holds nothing.
    """
    if value is not None:
        return value.get_secret_value()
    if file is None:
        return None
    secret = file.read_text().split("\n", 1)[0].strip()
    if not secret:
        raise OSError(errno.ENODATA, "its first line is empty, the password belongs there", str(file))
    return secret


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


class KafkaSettings(_Password):
    """The broker, its topics, and how to be let in."""

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
        default=None, description="Topic of refused records. Default: events.deadletter."
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="How to connect. SASL_SSL for a broker outside this machine."
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None = Field(
        default=None, description="How to log in; needed with SASL_PLAINTEXT and SASL_SSL."
    )
    username: str | None = Field(default=None, description="Name of the user; with `token_url`, id of the client.")
    token_file: Path | None = Field(
        default=None, description="File with the token of OAUTHBEARER, kept fresh by others; read at each login."
    )
    token_url: str | None = Field(
        default=None,
        description="Endpoint that gives tokens of OAUTHBEARER for `username` and password (client credentials).",
    )
    token_scope: str | None = Field(default=None, description="Scope to ask `token_url` for, where it wants one.")
    token_cafile: Path | None = Field(
        default=None, description="Certificate authorities (PEM) that sign `token_url`'s; default: the system's."
    )
    cafile: Path | None = Field(
        default=None, description="Certificate authorities (PEM) that sign the brokers' certificates."
    )
    certfile: Path | None = Field(default=None, description="Our client certificate (PEM), where brokers ask for one.")
    keyfile: Path | None = Field(default=None, description="Private key (PEM) of `certfile`.")
    check_hostname: bool = Field(
        default=True, description="Whether a broker's certificate must name the host we called."
    )
    bootstrap_timeout: Seconds = Field(default=30.0, description="Seconds to find the first broker before giving up.")
    request_timeout: Seconds = Field(
        default=15.0, description="Seconds one request may take; every blocking call is bounded."
    )
    refresh_interval: Seconds = Field(
        default=30.0, description="Seconds between looks for new partitions; at most 60.", le=60
    )
    producer_buffer: int = Field(
        default=32 << 20, ge=1 << 20, description="Bytes waiting for the broker; then sends are refused."
    )

    @field_validator("bootstrap")
    @classmethod
    def _host_and_port(cls, servers: str) -> str:
        named = [server.strip() for server in servers.split(",") if server.strip()]
        for server in named:
            host, _, port = server.rpartition(":")
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


class EventSettings(Section):
    """Which events count, under which names, and for how much."""

    types: tuple[str, ...] = Field(
        default=KINDS, description="Accepted event types; the others are refused as unknown_type."
    )
    aliases: dict[str, str] = Field(
        default=ALIASES, description="Another spelling of a type -> the type; added to the standard ones."
    )
    weights: dict[str, float] = Field(
        default=WEIGHTS, description="What one event of a type counts, -100 to 100; those left out keep theirs."
    )
    max_bytes: int = Field(
        default=MAX_EVENT_BYTES, ge=256, le=1 << 20, description="Bytes of one event; longer is `oversize`."
    )

    @model_validator(mode="after")
    def _sound_rules(self) -> EventSettings:
        self.rules()
        return self

    def rules(self) -> EventRules:
        """The rules `models.records.events.decode` takes. Raises ValueError for an unknown type or an odd weight."""
        return EventRules(self.types, self.aliases, self.weights, self.max_bytes)


class AdmissionSettings(Section):
    """Which valid events are learnt. All by record time, so that a replay decides the same."""

    dedupe_window: int = Field(
        default=1 << 20,
        ge=0,
        le=1 << 20,
        description="Accepted events within which an event_id counts once (at least the last half).",
    )
    max_lateness: Seconds = Field(
        default=86_400.0, description="Seconds an event may be older than its record; more is `late`."
    )
    max_future: Seconds = Field(default=300.0, description="Seconds an event may be ahead of its record (clock skew).")
    cap_per_minute: int = Field(
        default=600,
        ge=1,
        description="Events of one user learnt per minute; the busiest real basket measured had 541 lines.",
    )


class LearnerSettings(Section):
    """The one process that learns."""

    instance: str = Field(
        default="", description="Name of this learner; a restart under the same name takes its lease back at once."
    )
    lease_ttl: Seconds = Field(
        default=4.0, description="Seconds a silent learner keeps the lease before a standby takes over."
    )
    lease_renewal: Seconds = Field(
        default=1.0, description="Seconds between renewals of the lease; well below lease_ttl."
    )
    version_interval: Seconds = Field(
        default=1.0, description="Seconds between versions; what a crash repeats, and freshness."
    )
    base_interval: Seconds = Field(
        default=600.0, description="Seconds after which a new base is written beside the chain."
    )
    batch_size: int = Field(default=5_000, ge=1, le=100_000, description="Records of one poll and one learning step.")
    evidence_share: float = Field(
        default=0.2,
        ge=0.0,
        le=1.0,
        description="Most of the time spent learning that comparing versions for the gate may take besides; idle, a "
        "quarter of this share of the time itself. Tested events beyond it are passed over.",
    )
    evidence_bytes: int = Field(
        default=1 << 30, ge=0, description="Bytes of versions held for comparison; beyond it the gate has no evidence."
    )
    poll_timeout: Seconds = Field(default=0.1, le=5, description="Seconds one poll waits for records.")
    shutdown_grace: Seconds = Field(default=20.0, description="Seconds from SIGTERM to the end, last version included.")
    slate_window: int = Field(
        default=50_000, ge=0, le=10_000_000, description="Slates remembered to attribute events to; 0: none are read."
    )
    remember_shown: bool = Field(
        default=True,
        description="Keep in Redis what each user was shown in the last three hours, for requests that `rotate`. "
        "Without such requests `false` saves its memory. Read from topic slates: nothing is kept at `slate_window` 0.",
    )
    metrics_host: str = Field(default="127.0.0.1", description="Address of the learner's /metrics.")
    metrics_port: Port = Field(default=8001, description="Port of the learner's /metrics.")
    on_lost_offsets: Literal["fail", "earliest"] = Field(
        default="fail",
        description="When the log no longer reaches our offsets: stop and say so, or count the loss and go on.",
    )
    on_new_log: Literal["fail", "restart"] = Field(
        default="fail",
        description="When cluster or topic is another one: stop and say so, or keep the state and start at 0.",
    )


class UpdateSettings(Section):
    """Whether every event is learnt as it comes, or many at once."""

    mode: Literal["event", "batch"] = Field(
        default="event",
        description="event: each event is learnt as it comes. batch: events are collected, then learnt in several "
        "passes and entered at the gate as one version.",
    )
    every: Seconds = Field(default=3_600.0, description="Mode batch: seconds between two trainings, at most.")
    count: int = Field(
        default=100_000, ge=1, le=1_000_000, description="Mode batch: collected events at which training begins anyway."
    )
    passes: int = Field(
        default=5, ge=1, le=100, description="Mode batch: passes over a batch, at most; the first is in event order."
    )
    target: float = Field(
        default=0.0, ge=0, le=1, description="Mode batch: hit rate on held-out events that is good enough; 0: none is."
    )
    budget_seconds: Seconds = Field(default=600.0, description="Mode batch: seconds for the passes after the first.")
    rate_decay: float = Field(
        default=0.5, gt=0, le=1, description="Mode batch: learning rate of a pass, a share of that of the one before."
    )
    held_out: float = Field(
        default=0.1,
        gt=0,
        le=0.5,
        description="Mode batch: share of the events, the most recent ones, on which passes are judged; learnt last.",
    )


class RebuildSettings(Section):
    """Learning a fresh model from the topics, again and again."""

    every: float = Field(
        default=0.0,
        ge=0,
        description="Seconds between two rebuilds that the learner starts beside itself; 0: none. `sluicegate rebuild` "
        "does one whenever it is called.",
    )
    reach: float = Field(
        default=0.0, ge=0, description="Seconds back from its start that such a rebuild learns; 0: all that is there."
    )


class RecommenderSettings(Section):
    """Ceilings of what is kept. A table at its ceiling evicts the idle."""

    max_items: int = Field(default=1_000_000, ge=1_000, description="Items with a row.")
    max_users: int = Field(default=1_000_000, ge=1_000, description="Recently active users with a row.")
    max_categories: int = Field(default=20_000, ge=100, description="Categories with a row.")
    max_brands: int = Field(default=20_000, ge=100, description="Brands with a row.")
    max_queries: int = Field(default=20_000, ge=100, description="Searches that are remembered.")
    admit_after: int = Field(
        default=1, ge=1, le=255, description="Events that name a new item before it gets a row; 1: the first."
    )
    text_model: Literal["words", "wordllama"] = Field(
        default="words",
        description="What makes a vector of an item's title: its words, or a pre-trained model (extra `text`). "
        "A change shows in items whose facts arrive after it.",
    )
    seed: int = Field(default=20_240_601, ge=0, description="Seed of every random number in the state.")


class WitnessSettings(Section):
    """River estimators that learn a share of the events beside ours, scored and never served."""

    estimators: tuple[str, ...] = Field(
        default=("facto.FMRegressor", "linear_model.LinearRegression"),
        description="Import paths inside `river.`; empty: none.",
    )
    share: float = Field(default=0.05, ge=0, le=0.5, description="Most of one core that the witnesses may use.")


class ServiceSettings(Section):
    """The API."""

    host: str = Field(
        default="127.0.0.1", description="Address to listen on; another than loopback needs keys, or insecure."
    )
    port: Port = Field(default=8000, description="Port to listen on.")
    insecure: bool = Field(default=False, description="Listen beyond loopback without keys.")
    keys: tuple[str, ...] = Field(
        default=(), description="Key hashes, each ROLE:SHA256-HEX with role read, events, beacon or admin."
    )
    keys_file: Path | None = Field(default=None, description="File with one ROLE:SHA256-HEX a line.")
    max_body_bytes: int = Field(default=4 << 20, ge=1_024, description="Bytes of a request body; more is answered 413.")
    max_events_per_request: int = Field(
        default=10_000, ge=1, description="Events in one POST /events; more is answered 413."
    )
    rate_limit: float = Field(default=0.0, ge=0, description="Requests a second per key; 0: no limit.")
    beacon_origins: tuple[str, ...] = Field(
        default=(), description="Origins of pages that may send events with a beacon key, as https://shop.example."
    )
    beacon_types: tuple[str, ...] = Field(
        default=("click", "favourite", "unfavourite", "cart", "search", "impression"),
        description="Event types that a beacon key may send.",
    )
    beacon_rate: float = Field(
        default=500.0, gt=0, description="Requests a second per beacon key; more is answered 429."
    )
    beacon_client_rate: float = Field(
        default=5.0, gt=0, description="Requests a second per beacon key and address; twice as many at once."
    )
    beacon_max_bytes: int = Field(
        default=16 << 10, ge=256, description="Bytes of a request with a beacon key; more is answered 413."
    )
    poll_interval: Seconds = Field(default=0.2, description="Seconds between looks for a new serving version.")
    slate_sample: float = Field(
        default=1.0, ge=0, le=1, description="Share of the slates that are written to topic slates; 0: none."
    )
    slates_per_second: float = Field(
        default=100.0, gt=0, le=100_000, description="Most slates a second that are written; the rest is left out."
    )

    @field_validator("beacon_origins")
    @classmethod
    def _whole_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if not re.fullmatch(r"https?://[a-z0-9.\-\[\]:]+", origin):
                raise ValueError(f"{origin!r} is no origin: write scheme and host alone, as https://shop.example")
        return origins

    @field_validator("beacon_types")
    @classmethod
    def _known_types(cls, types: tuple[str, ...]) -> tuple[str, ...]:
        EventRules(types)
        return types


class GateSettings(Section):
    """Who decides what goes live."""

    mode: Literal["continuous", "strict", "shadow", "manual", "frozen"] = Field(
        default="continuous",
        description="Mode an installation starts with: continuous, strict, shadow, manual, frozen (docs/gate.md).",
    )
    alpha: float = Field(
        default=0.01, gt=0, lt=0.5, description="Chance of calling a version no worse, or better, that is not."
    )
    alpha_harm: float = Field(
        default=0.05, gt=0, lt=0.5, description="Chance, per reference, of rolling back what does no harm."
    )
    margin: float = Field(
        default=0.005, ge=0, le=0.5, description="Hit rate by which a version may be worse and still count as no worse."
    )
    least_tested: int = Field(
        default=2_000, ge=1, description="Tested events before mode strict judges, or the reference moves."
    )
    cooldown: Seconds = Field(
        default=300.0, description="Seconds without promotions after a roll-back; doubled with each further one."
    )
    quarantine: Literal["ask", "auto"] = Field(
        default="ask",
        description="After a roll-back for harm: propose to hold what was learnt since the last known good version, or "
        "do so at once (docs/gate.md).",
    )
    canary_queries: int = Field(
        default=8, ge=1, le=1_000, description="Queries a candidate must answer before it may be served."
    )
    max_version_age: Seconds = Field(default=3_600.0, description="Seconds after which what is served is called stale.")
