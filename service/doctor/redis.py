"""Examines Redis and the versions in it, and reports the progress of the newest version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from models.ledger import Progress
from models.snapshot import Damaged, Manifest
from service.doctor.findings import Finding, bytes_text, seconds_text
from streaming.settings import Settings
from streaming.store import Store, StoreUnavailable

LEAST_VERSION: Final = (6, 2)
"""The oldest Redis that has the scripts, streams and ACLs we use. The tests run on 7.0 and on Valkey 9.1."""

NEARLY_FULL: Final = 0.8
FULL: Final = 0.95
"""Shares of maxmemory. A base is written next to the last one, so there must be room for one more."""

SKEW: Final = 1.0
"""Seconds that the clocks of Redis's machine and this one may differ. Beyond it, shown ages and freshness mislead."""

MENDS: Final = {
    "auth": "set redis.username and redis.password_file to a user that may use keys {sluicegate:*}",
    "loading": "wait until Redis has read its data",
    "timeout": "look at Redis's load and at the network; redis.learner_timeout bounds one answer",
}


class Newest(NamedTuple):
    """The newest version."""

    progress: Progress
    age: float
    """Seconds."""
    holder: str
    """The learner that holds the lease now; empty when none does."""


class Look(NamedTuple):
    """What Redis answered: INFO, some of CONFIG (empty where that is not allowed), its clock, the newest version."""

    info: Mapping[str, Any]
    config: Mapping[str, str]
    skew: float
    manifest: Manifest | None
    damage: str
    size: int
    holder: str


def examine_store(settings: Settings, now: float) -> tuple[list[Finding], Newest | None]:
    """Examine Redis and its content. `now` is in epoch seconds."""
    store: Store | None = None
    try:
        store = Store.for_learner(settings)
        look = _look(store, now)
    except (StoreUnavailable, OSError) as error:
        kind = error.kind if isinstance(error, StoreUnavailable) else "auth"  # a password file that cannot be read
        mend = MENDS.get(kind, "start Redis there, or set redis.url; `sluicegate up` embeds one")
        away = Finding("redis.reachable", "failure", f"Redis cannot be used: {error}", mend)
        rest = ("redis.persistence", "redis.eviction", "redis.memory", "redis.clock", "redis.versions")
        return [away, *(Finding(check, "skipped", "Redis does not answer") for check in rest)], None
    finally:
        if store is not None:
            store.close()
    newest = None
    if look.manifest is not None:
        newest = Newest(look.manifest.progress, now + look.skew - look.manifest.created_at, look.holder)
    return list(_findings(look, newest, settings.learner.history_bytes)), newest


def _look(store: Store, now: float) -> Look:
    asked = store.ping()
    seconds, micros = store.call("TIME")
    info = store.call("INFO", "everything")
    head = store.head()
    known = store.manifests(
        sorted({each.id for each in (*store.versions(), *store.bases(), *([head] if head else []))})
    )
    newest = known[head.id] if head else None
    manifest = newest if isinstance(newest, Manifest) else None
    damage = str(newest) if isinstance(newest, Damaged) else ""
    size = sum(entry.size for entry in known.values() if isinstance(entry, Manifest))
    holder = store.call("GET", store.key("lease"))
    skew = float(seconds) + float(micros) / 1e6 - now - asked
    return Look(info, _config(store), skew, manifest, damage, size, holder.decode()[:-17] if holder else "")


def _config(store: Store) -> dict[str, str]:
    """Settings that INFO does not show. Managed Redis forbids CONFIG: then they stay unknown."""
    try:
        flat = store.call("CONFIG", "GET", "save")
    except StoreUnavailable as error:
        if error.kind not in {"auth", "other"}:
            raise
        return {}
    pairs = flat.items() if isinstance(flat, dict) else zip(flat[::2], flat[1::2], strict=True)
    return {_word(name): _word(value) for name, value in pairs}


def _word(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _findings(look: Look, newest: Newest | None, history: int) -> Iterator[Finding]:
    yield _server(look.info)
    yield _persistence(look)
    yield _eviction(look.info)
    yield _memory(look, history)
    yield _clock(look.skew)
    yield _versions(look, newest)


def _server(info: Mapping[str, Any]) -> Finding:
    version = str(info.get("redis_version", ""))
    name = f"Valkey {info['valkey_version']}" if "valkey_version" in info else f"Redis {version}"
    if info.get("role") != "master":
        mend = "set redis.url to the primary: a replica takes no writes"
        return Finding("redis.reachable", "failure", f"{name} is a replica", mend)
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < LEAST_VERSION:
        return Finding("redis.reachable", "failure", f"{name} is too old", "use Redis 6.2 or newer, or Valkey")
    return Finding("redis.reachable", "ok", f"{name}, primary")


def _persistence(look: Look) -> Finding:
    check = "redis.persistence"
    if look.info.get("aof_enabled"):
        if look.info.get("aof_last_write_status", "ok") != "ok":
            return Finding(check, "failure", "Redis cannot write its append-only file", "look at its disk and its log")
        return Finding(check, "ok", "append-only file")
    if look.config.get("save"):
        if look.info.get("rdb_last_bgsave_status", "ok") != "ok":
            return Finding(check, "failure", "Redis cannot write its snapshot", "look at its disk and its log")
        text = f"snapshots only ({look.config['save']}): a crash of Redis loses what was learned since the last one"
        return Finding(check, "warning", text, "CONFIG SET appendonly yes, and appendonly yes in redis.conf")
    unknown = "save" not in look.config
    text = "no append-only file, and snapshots cannot be asked for" if unknown else "Redis keeps nothing on disk"
    return Finding(
        check,
        "warning" if unknown else "failure",
        f"{text}: a restart of Redis loses what was learned",
        "CONFIG SET appendonly yes, and appendonly yes in redis.conf",
    )


def _eviction(info: Mapping[str, Any]) -> Finding:
    policy = str(info.get("maxmemory_policy", "noeviction"))
    if policy == "noeviction":
        return Finding("redis.eviction", "ok", "noeviction")
    limited = bool(info.get("maxmemory"))
    text = f"{policy}: Redis may drop parts of versions" + ("" if limited else " once it has a maxmemory")
    mend = "CONFIG SET maxmemory-policy noeviction, and the same in redis.conf"
    return Finding("redis.eviction", "failure" if limited else "warning", text, mend)


def _memory(look: Look, history: int) -> Finding:
    """`history`: bytes of earlier versions that the learner may keep, `learner.history_bytes`."""
    check, used, ceiling = "redis.memory", int(look.info["used_memory"]), int(look.info.get("maxmemory") or 0)
    ours = f"{bytes_text(look.size)} of it versions"
    if not ceiling:
        return Finding(check, "ok", f"{bytes_text(used)} used, {ours}; no maxmemory is set")
    text = f"{bytes_text(used)} of {bytes_text(ceiling)} used, {ours}"
    mend = "raise maxmemory, or move other data to another Redis"
    if used > FULL * ceiling:
        return Finding(check, "failure", f"{text}: the next versions are refused", mend)
    if used > NEARLY_FULL * ceiling:
        return Finding(check, "warning", text, mend)
    later = used + max(0, history - look.size)
    if later > FULL * ceiling:
        text += f"; with the {bytes_text(history)} of versions that learner.history_bytes allows, {bytes_text(later)}"
        return Finding(check, "warning", text, "raise maxmemory, or lower learner.history_bytes")
    return Finding(check, "ok", text)


def _clock(skew: float) -> Finding:
    if abs(skew) <= SKEW:
        return Finding("redis.clock", "ok", f"within {SKEW:g} s of this machine's")
    what = f"Redis's clock is {abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} this machine's"
    return Finding("redis.clock", "warning", what, "let NTP set both clocks (timedatectl set-ntp true)")


def _versions(look: Look, newest: Newest | None) -> Finding:
    check = "redis.versions"
    learner = f"learner {look.holder} holds the lease" if look.holder else "no learner holds the lease"
    if look.damage:
        mend = "the learner continues from the newest sound version; find out what else writes to this Redis"
        return Finding(check, "failure", f"the newest version is damaged: {look.damage}", mend)
    if look.manifest is None or newest is None:
        return Finding(check, "ok", f"no version yet; {learner}")
    text = f"version {look.manifest.seq} is {seconds_text(max(0.0, newest.age))} old, {learner}"
    return Finding(check, "ok", text)
