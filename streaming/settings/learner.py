"""In: values as read from file and environment. Out: the frozen sections of the settings tree, each value checked.

Units are in the descriptions: durations in seconds, sizes in bytes. `docs/configuration.md` is held against this file.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from streaming.settings.base import Port, Seconds, Section


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
