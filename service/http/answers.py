"""The types of all answers but slates: the API's description promises them, and the routes encode them.

Their names and docstrings are part of that description: the names are its component names.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from models.experiments import ExperimentResults
from models.gate import AuditRecord, Explanation, GateState, Policy
from models.ledger import Progress, Quarantined
from models.records import Value
from models.statistics import Standing
from models.structs import Prepared


class Liveness(Struct, metaclass=Prepared):
    """The process runs its event loop."""

    status: Literal["alive"] = "alive"


class Readiness(Struct, metaclass=Prepared):
    """Whether requests can be answered, and in words what is missing. `ok` is said of each part that is well."""

    ready: bool
    version: str | None
    version_age_seconds: float | None
    degraded: list[str]
    kernels: str
    redis: str
    histories: str
    items: str
    kafka: str
    served_version: str
    keys: str


class CatalogueItem(Struct, metaclass=Prepared, omit_defaults=True):
    """An item with the facts that the shop gave. Absent facts are unknown; an item is available unless it says so."""

    item_id: str
    category: str | None = None
    price: float | None = None
    brand: str | None = None
    title: str | None = None
    tags: tuple[str, ...] = ()
    rating: float | None = None
    available: bool = True
    embedding: tuple[float, ...] | None = None
    group_id: str | None = None
    attributes: dict[str, Value] = {}


class CataloguePage(Struct, metaclass=Prepared):
    """One page of the catalogue. `next` is the `after` of the page that follows; null on the last page.

    The first page names the categories. The answer to a search is one page; it says whether the `whole` catalogue was
    looked through, as far as was needed.
    """

    items: list[CatalogueItem]
    next: str | None
    categories: list[str] | UnsetType = UNSET
    whole: bool | UnsetType = UNSET


class ItemAnswer(Struct, metaclass=Prepared):
    """An item: whether the model knows it, whether it may be shown, and the facts that the shop gave."""

    item_id: str
    learnt: bool
    available: bool
    category: str | UnsetType = UNSET
    price: float | UnsetType = UNSET
    brand: str | UnsetType = UNSET
    title: str | UnsetType = UNSET
    tags: tuple[str, ...] | UnsetType = UNSET
    rating: float | UnsetType = UNSET
    embedding: tuple[float, ...] | UnsetType = UNSET
    group_id: str | UnsetType = UNSET
    attributes: dict[str, Value] | UnsetType = UNSET


class ItemAccepted(Struct, metaclass=Prepared):
    """The change of an item is in the topic. `left_out` names attributes that could not be used."""

    request_id: str
    item_id: str
    outcome: Literal["accepted"] = "accepted"
    left_out: tuple[str, ...] = ()


class PastEvent(Struct, metaclass=Prepared):
    """One interaction of a history; `timestamp` in epoch seconds, `title` and `image_url` as the catalogue has them."""

    item_id: str
    event_type: str
    timestamp: float
    title: str | UnsetType = UNSET
    image_url: str | UnsetType = UNSET


class UserAnswer(Struct, metaclass=Prepared):
    """A user's last interactions, newest first, and the attributes that the shop gave."""

    user_id: str
    known: bool
    history: list[PastEvent]
    attributes: dict[str, Value] = {}


class FoundUser(Struct, metaclass=Prepared):
    """A user who was found; `last` is the time of the newest event in epoch seconds, null for one without a history."""

    user_id: str
    last: float | None


class UsersAnswer(Struct, metaclass=Prepared):
    """Users whose id begins as asked, in the order of their ids. `more`: whether further ones may.

    `whole` is false for some time after an upgrade, while users of an older release are being listed.
    """

    users: list[FoundUser]
    more: bool
    whole: bool


class UserAccepted(Struct, metaclass=Prepared):
    """The attributes of a user are in the topic, or `unchanged`: in force already, so that nothing was written.

    `left_out` names those that could not be used.
    """

    request_id: str
    user_id: str
    outcome: Literal["accepted", "unchanged"] = "accepted"
    left_out: tuple[str, ...] = ()


class IdentifyAnswer(Struct, metaclass=Prepared):
    """Whether the ids are one: `joined` already, or `accepted` for being joined, within a second as a rule."""

    request_id: str
    outcome: Literal["accepted", "joined"]


class ErasureAccepted(Struct, metaclass=Prepared):
    """The order is in the topic. `receipt` is the address that says when the erasure is done."""

    erasure_id: str
    receipt: str
    status: Literal["accepted"] = "accepted"


class ErasureReceipt(Struct, metaclass=Prepared):
    """What an erasure removed. Times are epoch seconds.

    `erased` when no newer version holds the user, `complete` when no version that may hold the user is kept any more.
    """

    erasure_id: str
    status: Literal["accepted", "erased", "complete"]
    requested_at: float | None
    erased_at: float | None
    removed: dict[str, int]
    version: str | None
    versions_that_may_hold_the_user: int | None
    held_by: list[str]
    not_erased: tuple[str, ...]


class Score(Struct, metaclass=Prepared):
    """Running scores of a contender: hit rate and mean reciprocal rank of recent tested events, and their total."""

    hr: float
    rr: float
    n: int


class ModelAnswer(Struct, metaclass=Prepared):
    """The champion. Without one, only the first four members are there."""

    version: str | None
    degraded: list[str]
    tables_bytes: int
    head: str | None
    sequence: int | UnsetType = UNSET
    kind: Literal["base", "delta"] | UnsetType = UNSET
    parent: str | UnsetType | None = UNSET
    created_at: float | UnsetType = UNSET
    age_seconds: float | UnsetType = UNSET
    stale: bool | UnsetType = UNSET
    schema_version: int | UnsetType = UNSET
    schema: str | UnsetType = UNSET
    served_by: str | UnsetType = UNSET
    counts: dict[str, int] | UnsetType = UNSET
    progress: Progress | UnsetType = UNSET
    evidence: dict[str, Any] | UnsetType = UNSET
    scores: dict[str, Score] | UnsetType = UNSET


class GateAnswer(GateState, frozen=True, kw_only=True):
    """The gate: mode, revision, champion (`serving`), challenger (`head`), reference, evidence, and policy in force.

    Moments are in epoch seconds. docs/gate.md explains the words.
    """

    serving: str | None
    head: str | None
    reference: str | None
    previous: str | None
    numbers: dict[str, float | None]
    evidence: Standing | None
    next_tick_seconds: float
    policy: Policy
    policy_hash: str
    store_error: str | None
    load_error: str | None


class GateChange(Struct, metaclass=Prepared):
    """The decision on an operator's request, and the gate after it."""

    action: str
    reasons: tuple[str, ...]
    detail: str
    gate: GateAnswer


class DecisionsPage(Struct, metaclass=Prepared):
    """Decisions, newest first, as they were recorded. `next` is the `before` of the page that follows."""

    decisions: list[AuditRecord]
    next: str | None


class VersionExplained(Struct, metaclass=Prepared):
    """Why a version went live or not, what would have to change, and how long that takes at the present rate.

    `status` says what became of it: it is `served`; it is the challenger and is `waiting`; it was `replaced` by a newer
    version, or `withdrawn` by a rollback, which `ended` explains; or it was `held` until a newer one came. `note` says
    how the decision relates to the version. `tested_per_second` has the present rate of each comparison.
    """

    version: str
    status: Literal["served", "waiting", "replaced", "withdrawn", "held"]
    explanation: Explanation
    ended: Explanation | None
    note: str
    tested_per_second: dict[str, float]


class Proposal(Struct, metaclass=Prepared):
    """A quarantine that the gate proposes after a rollback: back to `version`; `since` in epoch seconds."""

    version: str
    since: float


class PastAnswer(Struct, metaclass=Prepared):
    """Looks of the last day, one every two minutes, as columns: the nth value of each belongs to the nth moment.

    Moments (`at`) are in epoch seconds; `freshness` and `lag` in seconds, `rate` in events a second. `slates`, `failed`
    and `degraded` count answers since the look before, `scores` has the hit rate of each contender. Null: not known.
    """

    at: list[float]
    sequence: list[int]
    newest: list[int]
    reference: list[int]
    freshness: list[float | None]
    rate: list[float]
    lag: list[float | None]
    slates: list[int]
    failed: list[int]
    degraded: list[dict[str, int]]
    mode: list[str]
    baseline: list[bool]
    held: list[tuple[str, ...]]
    alarms: list[tuple[str, ...]]
    anchors: list[list[int]]
    scores: dict[str, list[float | None]]


class ExperimentsAnswer(Struct, metaclass=Prepared):
    """All experiments on users and how their arms do, the latest first."""

    experiments: list[ExperimentResults]


class QuarantinesAnswer(Struct, metaclass=Prepared):
    """Stretches of the stream that are not learned, newest first, and the one that the gate proposes."""

    quarantines: list[Quarantined]
    proposed: Proposal | None


class QuarantineOrdered(Struct, metaclass=Prepared):
    """A quarantine is ordered; `version` is what the learned model returns to."""

    quarantine: str
    version: str
    status: Literal["ordered"] = "ordered"


class QuarantineSettled(Struct, metaclass=Prepared):
    """The end of a quarantine is ordered."""

    quarantine: str
    status: Literal["replay ordered", "drop ordered"]


__all__ = [
    "CatalogueItem",
    "CataloguePage",
    "DecisionsPage",
    "ErasureAccepted",
    "ErasureReceipt",
    "ExperimentsAnswer",
    "FoundUser",
    "GateAnswer",
    "GateChange",
    "IdentifyAnswer",
    "ItemAccepted",
    "ItemAnswer",
    "Liveness",
    "ModelAnswer",
    "PastAnswer",
    "PastEvent",
    "Proposal",
    "QuarantineOrdered",
    "QuarantineSettled",
    "QuarantinesAnswer",
    "Readiness",
    "Score",
    "UserAnswer",
    "UsersAnswer",
    "VersionExplained",
]
