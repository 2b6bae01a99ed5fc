"""Examines brokers, topics and offsets, and compares them with the progress of the newest version."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from models.records import MAX_CONTROL_BYTES, MAX_ITEM_BYTES, MAX_SLATE_BYTES
from service.doctor.findings import Finding, State, seconds_text
from service.doctor.redis import Newest
from streaming.consumer import CODECS, LogFacts, TopicFacts, bounds, inspect_log, missing_codecs
from streaming.intake import WHOLE
from streaming.kafka import KafkaTrouble, Offsets, Role, parted
from streaming.settings import Settings

SHORT_RETENTION: Final = 86_400.0
"""Seconds, a day: an outage from Friday evening to Saturday evening must not cost events."""

THIN_HEADROOM: Final = 0.1
"""Share of the log that is older than our offset, below which retention is about to overtake us; as in the alert
RetentionHeadroomLow."""

STALE: Final = 120.0
"""Seconds without a new version while records wait and a learner holds the lease, as in the alert VersionStale."""

ENVELOPE: Final = 4096
"""Bytes for all of a batch of one record but its value: header of the batch, key, headers of a dead letter."""

NEEDED: Final[tuple[Role, ...]] = ("events", "items", "control")
"""Roles whose topics the learner reads: without them it learns nothing."""


def examine_log(settings: Settings, newest: Newest | None) -> Iterator[Finding]:
    """Examine everything about Kafka. `newest`: None when there is no version or Redis is away."""
    yield from _codecs()
    try:
        facts = inspect_log(settings)
    except (KafkaTrouble, OSError) as error:
        yield Finding("kafka.reachable", "failure", str(error), _reach(settings, error))
        for check in ("kafka.topics", "kafka.offsets"):
            yield Finding(check, "skipped", "Kafka does not answer")
        return
    where = f"{facts.brokers} broker(s) of cluster {facts.cluster} at {settings.kafka.bootstrap}"
    if facts.unreached:
        named = "; ".join(f"{name} ({why})" for name, why in facts.unreached.items())
        text = f"{where}; not reached at the address by which they name themselves: {named}"
        yield Finding(
            "kafka.reachable", "failure", text, "set advertised.listeners of these brokers to what is known here"
        )
    else:
        yield Finding("kafka.reachable", "ok", f"{where}, speaking as version {facts.version}")
    yield from _topics(settings, facts)
    yield from _offsets(settings, facts, newest)


def _reach(settings: Settings, error: Exception) -> str:
    kafka = settings.kafka
    if "advertised.listeners" in str(error):
        return "its text says how; then run this again"
    if kafka.security_protocol == "PLAINTEXT":
        return (
            f"start a broker at {kafka.bootstrap}, or set kafka.bootstrap; `sluicegate up` embeds one. "
            "A broker that wants TLS or a login needs kafka.security_protocol"
        )
    return (
        f"check that {kafka.bootstrap} is the {kafka.security_protocol} listener, and kafka.cafile, username, password"
    )


def _codecs() -> Iterator[Finding]:
    missing = {each.codec: each.package for each in missing_codecs()}
    readable = ", ".join(codec for codec in CODECS[1:] if codec not in missing)
    if not missing:
        yield Finding("kafka.codecs", "ok", f"batches compressed with {readable} can be read")
        return
    yield Finding(
        "kafka.codecs",
        "failure",
        f"batches compressed with {readable} can be read, {', '.join(missing)} cannot",
        f"pip install {' '.join(missing.values())}: a single such batch stops its partition",
    )


def _topics(settings: Settings, facts: LogFacts) -> Iterator[Finding]:
    for role in ("events", "items", "control", "slates", "deadletter"):
        topic = facts.topics.get(role)
        check = f"kafka.topic.{role}"
        if topic is None:
            state: State = "failure" if role in NEEDED else "warning"
            mend = "`sluicegate learn` creates it at its start, if the broker lets it; or create it yourself"
            yield Finding(check, state, f"topic {settings.topic(role)!r} does not exist", mend)
        else:
            yield from _topic(check, role, topic, facts, settings)
    for name in facts.missing:
        mend = f"kafka-topics.sh --bootstrap-server {settings.kafka.bootstrap} --create --topic {name}"
        text = f"topic {name!r} of a mapping does not exist: the learner waits for it, and learns nothing meanwhile"
        yield Finding("kafka.topic.mapped", "failure", text, mend)


def _topic(check: str, role: Role, topic: TopicFacts, facts: LogFacts, settings: Settings) -> Iterator[Finding]:
    policy = topic.options.get("cleanup.policy", "delete")
    text = f"{topic.name!r}: {topic.partitions} partitions, {topic.replicas} replica(s), cleanup {policy}"
    retention = _retention(topic)
    text += f", kept {seconds_text(retention)}" if retention is not None and "delete" in policy else ""
    complaints = [
        *_complaints(role, topic, facts, policy, retention, _collecting(settings)),
        *_size(role, topic, settings),
    ]
    yield (
        Finding(check, "ok", text)
        if not complaints
        else Finding(
            check,
            "warning",
            f"{text}: {'; '.join(what for what, _ in complaints)}",
            "; ".join(how for _, how in complaints),
        )
    )


def _complaints(
    role: Role, topic: TopicFacts, facts: LogFacts, policy: str, retention: float | None, needed: float
) -> Iterator[tuple[str, str]]:
    change = f"kafka-configs.sh --alter --topic {topic.name} --add-config"
    if role == "items" and "compact" not in policy:
        yield "facts of items older than its retention are deleted", f"{change} cleanup.policy=compact"
    if role == "events" and "compact" in policy:
        yield "a user's older events are deleted", f"{change} cleanup.policy=delete"
    if role == "events" and retention is not None and retention < SHORT_RETENTION + needed:
        yield "a learner that is away for longer loses events", f"{change} retention.ms=604800000"
    if role == "control" and topic.partitions > 1:
        yield "control records have no order across partitions", f"create {topic.name} again with one partition"
    if role == "control" and ("compact" in policy or retention is not None):
        yield (
            "a model learned from scratch would not know older orders",
            f"{change} cleanup.policy=delete,retention.ms=-1",
        )
    if topic.behind:
        yield f"{topic.behind} partitions have replicas that are not in sync", "find the broker that is away"
    if facts.brokers > 1 and topic.replicas < 2:
        yield (
            "one broker holds the only copy",
            f"raise its replication with kafka-reassign-partitions.sh ({topic.name})",
        )


def _size(role: Role, topic: TopicFacts, settings: Settings) -> Iterator[tuple[str, str]]:
    """Compare the longest batch that the topic takes with the longest record that we accept for it."""
    taken, (accepted, name) = topic.options.get("max.message.bytes", ""), _longest(settings)[role]
    if taken.isdigit() and int(taken) < accepted + ENVELOPE:
        effect = "a longer dead letter is cut to 1 KiB" if role == "deadletter" else "longer ones are refused"
        yield (
            f"it takes at most {taken} bytes (max.message.bytes), and {name} may have {accepted}: {effect}",
            f"kafka-configs.sh --alter --topic {topic.name} --add-config max.message.bytes={accepted + ENVELOPE}"
            + (", or lower events.max_bytes" if role == "events" else ""),
        )


def _longest(settings: Settings) -> dict[Role, tuple[int, str]]:
    return {
        "events": (settings.events.max_bytes, "an event"),
        "items": (MAX_ITEM_BYTES, "the facts of an item"),
        "control": (MAX_CONTROL_BYTES, "an order"),
        "slates": (MAX_SLATE_BYTES, "a slate"),
        "deadletter": (WHOLE, "a dead letter"),
    }


def _retention(topic: TopicFacts) -> float | None:
    """Seconds a record is kept; None when it is kept forever or the broker does not say."""
    milliseconds = topic.options.get("retention.ms", "")
    return int(milliseconds) / 1000 if milliseconds.isdigit() else None


def _offsets(settings: Settings, facts: LogFacts, newest: Newest | None) -> Iterator[Finding]:
    if newest is None:
        yield Finding("kafka.offsets", "ok", "no version is known: reading starts at the beginning of the log")
        return
    progress = newest.progress
    now = {facts.topics[role].name: facts.topics[role].id for role in NEEDED if role in facts.topics}
    mapped = settings.mapped_topics
    # A topic that the version does not know yet does not make it another log.
    known = {name: id_ for name, id_ in now.items() if name in progress.topics}
    ours = {name: id_ for name, id_ in parted(settings, progress.topics)[0].items() if name not in mapped}
    if progress.cluster and (progress.cluster, ours) != (facts.cluster, known):
        restart = settings.learner.on_new_log == "restart"
        yield Finding(
            "kafka.offsets",
            "warning" if restart else "failure",
            "the newest version was learned from another log: another cluster, or topics that were created again",
            "learner.on_new_log is restart: the learned state is kept, reading starts at 0"
            if restart
            else "set kafka.bootstrap to the right cluster; or, if this log is the right one, start the learner once "
            "with --reset-offsets",
        )
        return
    yield from _positions(settings, newest, sorted([*now, *mapped]))


def _positions(settings: Settings, newest: Newest, topics: list[str]) -> Iterator[Finding]:
    try:
        first, end = bounds(settings, topics)
    except (KafkaTrouble, OSError) as error:
        yield Finding("kafka.offsets", "failure", str(error), "see kafka.reachable")
        return
    gone, thin, lag = _compared(newest.progress.offsets, first, end)
    check = "kafka.offsets"
    if gone:
        accept = "raise the retention; learner.on_lost_offsets = 'earliest' accepts the loss and continues"
        yield Finding(check, "failure", f"deleted before they were learned: {', '.join(gone)}", accept)
    elif thin:
        raise_it = "raise the topic's retention now, then start the learner or give it a faster core"
        yield Finding(check, "warning", f"retention is close to our offset in {', '.join(thin)}", raise_it)
    elif lag and newest.holder and newest.age > STALE + _collecting(settings):
        text = f"{lag} records wait, and {newest.holder} has committed no version for {seconds_text(newest.age)}"
        yield Finding(check, "failure", text, "its log says why (docs/failures.md)")
    else:
        yield Finding(check, "ok", f"the log holds our offsets; {lag} records are in no version yet")


def _collecting(settings: Settings) -> float:
    """Seconds for which records may wait to be learned together."""
    update = settings.update
    return update.every + update.budget_seconds if update.mode == "batch" else 0.0


def _compared(ours: Offsets, first: Offsets, end: Offsets) -> tuple[list[str], list[str], int]:
    """Partitions whose records are gone, partitions about to lose some, and records in no version."""
    gone, thin, lag = [], [], 0
    for topic, parts in ours.items():
        for partition, offset in parts.items():
            oldest, newest = first.get(topic, {}).get(partition, 0), end.get(topic, {}).get(partition, offset)
            lag += max(0, newest - offset)
            if offset < oldest:
                gone.append(f"{topic}[{partition}]: {oldest - offset} records")
            elif oldest and newest > offset and offset - oldest < THIN_HEADROOM * (newest - oldest):
                thin.append(f"{topic}[{partition}]")
    return gone, thin, lag
