"""Settings of the learner: its process, how it learns, and what it keeps."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from models.experiments import segment_of
from streaming.settings.base import Port, Seconds, SecondsOrNone, Section, Wait


class LearnerSettings(Section):
    """The process that learns."""

    instance: str = Field(
        default="", description="Name of this learner; a restart under the same name takes its lease back at once."
    )
    lease_ttl: Wait = Field(
        default=4.0, description="Seconds a silent learner keeps the lease before a standby takes over."
    )
    lease_renewal: Wait = Field(default=1.0, description="Seconds between renewals of the lease; well below lease_ttl.")
    version_interval: Wait = Field(
        default=1.0,
        description="Seconds between versions: how much a crash repeats, and how fresh the served version is.",
    )
    base_interval: Seconds = Field(
        default=600.0, description="Seconds after which a new base is written next to the chain."
    )
    history_bytes: int = Field(
        default=1 << 30,
        ge=0,
        description="Bytes of versions that Redis keeps to go back to, and as second copies where one is damaged. "
        "What the pointers and the newest base need is kept beyond it; 0 keeps nothing else.",
    )
    batch_size: int = Field(default=5_000, ge=1, le=100_000, description="Records of one poll, at most.")
    evidence_share: float = Field(
        default=0.2,
        ge=0.0,
        le=1.0,
        description="Share of the time spent learning that comparing versions for the gate may add; while idle, a "
        "quarter of this share of the elapsed time. Tested events beyond it are skipped.",
    )
    evidence_bytes: int = Field(
        default=1 << 30, ge=0, description="Bytes of versions kept for comparison; beyond it the gate has no evidence."
    )
    poll_timeout: Wait = Field(default=0.1, le=5, description="Seconds one poll waits for records.")
    shutdown_grace: Wait = Field(default=20.0, description="Seconds from SIGTERM to the exit, last version included.")
    nice: int = Field(
        default=0,
        ge=0,
        le=19,
        description="By how much the learner gives way to other processes of the machine, as `nice` does. Services "
        "that share its processors answer sooner with 5 or more; `sluicegate up` takes 5.",
    )
    slate_window: int = Field(
        default=50_000, ge=0, le=10_000_000, description="Slates kept to attribute events to; 0: none are read."
    )
    segments: tuple[str, ...] = Field(
        default=(),
        max_length=20,
        description="Segments of users, as plan:pro: KEY:VALUE of the `context` of requests, or a condition of the "
        "attributes of users. Slates and what followed them are counted for each; those of attributes also have their "
        "own results of each experiment.",
    )
    remember_shown: bool = Field(
        default=True,
        description="Keep in Redis what each user was shown in the last three hours, for requests with `rotate`. "
        "Without such requests, `false` saves that memory. It needs topic slates: with `slate_window` 0 nothing is "
        "kept.",
    )
    shards: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Learners that share the partitions of topic `events`; more than one needs the extra `ray` "
        "(docs/operations.md).",
    )
    ray_address: str = Field(
        default="",
        description="Address of the Ray cluster to join, such as `ray-head:6379`; empty: one is started on loopback.",
    )
    split_when: Literal["ranking", "start"] = Field(
        default="ranking",
        description="With shards: one learner goes on alone until its ranking has beaten the best single source and a "
        "hundred rounds of events are learned, or the stream is split as soon as there is a version.",
    )
    merge_interval: Wait = Field(default=1.0, le=60, description="With shards: seconds between two merges, at most.")
    merge_events: int = Field(
        default=16_000,
        ge=100,
        le=1_000_000,
        description="With shards: events of all shards together after which they are merged earlier.",
    )
    merge_share: float = Field(
        default=0.02,
        gt=0,
        le=1,
        description="With shards: share of the events learned so far that a round has at most, but for 500 events: a "
        "young model is merged more often than `merge_events` and `partial_events` say; 1 for no such limit.",
    )
    partial_events: int = Field(
        default=2_000,
        ge=0,
        le=1_000_000,
        description="With shards: events of all shards together after which, between two merges, they tell each other "
        "of the rankers, of what is popular and of first touches; 0 for never.",
    )
    shard_patience: Wait = Field(
        default=3.0,
        le=600,
        description="With shards: seconds beyond `merge_interval` after which a silent shard is left out of the merge "
        "and started again.",
    )
    spares: int = Field(
        default=1,
        ge=0,
        le=8,
        description="With shards: processes that wait with their kernels loaded to take the place of a shard that "
        "ends; with at least one, a second coordinator waits as well.",
    )
    metrics_host: str = Field(default="127.0.0.1", description="Address of the learner's /metrics.")
    metrics_port: Port = Field(default=8001, description="Port of the learner's /metrics.")
    on_lost_offsets: Literal["fail", "earliest"] = Field(
        default="fail",
        description="When the log no longer holds our offsets: stop with an error, or count the loss and continue.",
    )
    on_new_log: Literal["fail", "restart"] = Field(
        default="fail",
        description="When cluster or topic is another one: stop with an error, or keep the state and read what is new "
        "from its beginning.",
    )

    @field_validator("segments")
    @classmethod
    def _readable_segments(cls, segments: tuple[str, ...]) -> tuple[str, ...]:
        for text in segments:
            try:
                segment_of(text)
            except ValueError as error:
                raise ValueError(f"{text[:40]!r} is no segment: write {error}") from None
        return tuple(dict.fromkeys(segments))


class UpdateSettings(Section):
    """Whether each event is learned when it arrives, or many at once."""

    mode: Literal["event", "batch"] = Field(
        default="event",
        description="event: each event is learned when it arrives. batch: events are collected, then learned in "
        "several passes and given to the gate as one version.",
    )
    every: Seconds = Field(default=3_600.0, description="Mode batch: seconds between two trainings, at most.")
    count: int = Field(
        default=100_000,
        ge=1,
        le=1_000_000,
        description="Mode batch: number of collected events at which training begins earlier.",
    )
    passes: int = Field(
        default=5, ge=1, le=100, description="Mode batch: passes over a batch, at most; the first is in event order."
    )
    target: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Mode batch: hit rate on held-out events at which training ends; 0: it never ends for that reason.",
    )
    budget_seconds: Seconds = Field(default=600.0, description="Mode batch: seconds for the passes after the first.")
    rate_decay: float = Field(
        default=0.5, gt=0, le=1, description="Mode batch: learning rate of a pass, as a share of the one before."
    )
    held_out: float = Field(
        default=0.1,
        gt=0,
        le=0.5,
        description="Mode batch: share of the events, the most recent ones, that judge the passes; they are learned "
        "last.",
    )


class RebuildSettings(Section):
    """Learning a new model from the topics, at intervals."""

    every: SecondsOrNone = Field(
        default=0.0,
        description="Seconds between two rebuilds that the learner starts as a second process; 0: none. "
        "`sluicegate rebuild` runs one at any time.",
    )
    reach: SecondsOrNone = Field(
        default=0.0,
        description="Seconds back from its start that such a rebuild learns from; 0: all that the topics hold.",
    )


class RecommenderSettings(Section):
    """Ceilings of the tables. A table at its ceiling evicts rows that are idle."""

    max_items: int = Field(default=1_000_000, ge=1_000, description="Items with a row.")
    max_users: int = Field(default=1_000_000, ge=1_000, description="Recently active users with a row.")
    max_categories: int = Field(default=20_000, ge=100, description="Categories with a row.")
    max_brands: int = Field(default=20_000, ge=100, description="Brands with a row.")
    max_queries: int = Field(default=20_000, ge=100, description="Searches with a row.")
    admit_after: int = Field(
        default=1,
        ge=1,
        le=255,
        description="Events that must name a new item before it gets a row; 1: the first one. Counts are halved after "
        "each 65,536 events that gave an item no row; at most one new item in 200 gets its row early.",
    )
    text_model: Literal["words", "wordllama"] = Field(
        default="words",
        description="Turns an item's title into a vector: its words, or a pre-trained model (extra `text`). "
        "A change applies to items whose facts arrive after it.",
    )
    seed: int = Field(default=20_240_601, ge=0, description="Seed of every random number in the state.")


class WitnessSettings(Section):
    """River estimators that learn a share of the events next to our model: scored, never served."""

    estimators: tuple[str, ...] = Field(
        default=("facto.FMRegressor", "linear_model.LinearRegression"),
        description="Import paths inside `river.`; empty: none.",
    )
    share: float = Field(
        default=0.05, ge=0, le=0.5, description="Share of one core that the witnesses may use, at most."
    )
