"""Names, creates and describes our topics, and says which of them are learned from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeAlias, get_args

from kafka import KafkaAdminClient
from kafka import errors as kafka_errors
from kafka.admin import ConfigResource, NewTopic

from streaming.kafka.client import client_arguments, open_client
from streaming.kafka.errors import NotAllowed, trouble
from streaming.settings import Settings, TopicRole

Role: TypeAlias = TopicRole

ROLES: Final[tuple[Role, ...]] = get_args(TopicRole)

ROLES_READ: Final[tuple[Role, ...]] = ("events", "items", "control")
"""Topics that are learned from; a version holds an offset for each of their partitions."""


def topics_read(settings: Settings) -> list[str]:
    """Every topic that is learned from: ours, and those of another shape.

    >>> topics_read(Settings())
    ['events', 'items', 'control']
    """
    return [*(settings.topic(role) for role in ROLES_READ), *settings.mapped_topics]


def parted(settings: Settings, known: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Split a version's topics: those that count as its log, and those that are no longer read.

    A mapping may be removed and continue at its offset when it comes back. But when the version does not know one of
    our own topics, all of them belong to another log.

    Args:
        settings: Say which topics are read now.
        known: Id of each topic that the version has read, by name.

    Returns:
        Two dictionaries like `known`.

    >>> parted(Settings(), {"events": "a", "items": "b", "shop.orders": "c"})
    ({'events': 'a', 'items': 'b'}, {'shop.orders': 'c'})
    >>> parted(Settings(), {"clicks": "a", "items": "b"})
    ({'clicks': 'a', 'items': 'b'}, {})
    """
    read = set(topics_read(settings))
    if not {settings.topic("events"), settings.topic("items")} <= set(known):
        return dict(known), {}
    return {name: known[name] for name in known if name in read}, {n: known[n] for n in known if n not in read}


WEEK_MS: Final = str(7 * 86_400_000)

CONFIGS: Final[dict[Role, dict[str, str]]] = {
    "items": {"cleanup.policy": "compact", "delete.retention.ms": WEEK_MS},
    "control": {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"},
    "slates": {"retention.ms": WEEK_MS},
}
"""Configuration of the topics we create. Only the newest slates are of use. Control records apply to every model that
starts at the beginning of the topics, so they are kept forever."""


def ensure_topics(settings: Settings, roles: Sequence[Role] = ROLES) -> list[str]:
    """Create the topics that do not exist, with `kafka.partitions` and `kafka.replication`.

    `items` is compacted, and its deletions stay readable for a week so that a learner that was away sees them. `slates`
    are kept for a week, `control` forever.

    Args:
        settings: Name and configure the topics.
        roles: Topics to look for.

    Returns:
        Names of the topics that were created.

    Raises:
        BrokerAway: No broker answers.
        NotAllowed: Kafka does not let us look, or create.
    """
    # Control records need one order across all users.
    wanted = {
        settings.topic(role): (1 if role == "control" else settings.kafka.partitions, CONFIGS.get(role, {}))
        for role in roles
    }
    return _create_missing(settings, wanted)


def ensure_mapped_topics(settings: Settings) -> list[str]:
    """Create the topics of mappings that do not exist: in a broker of our own, where nobody else does.

    Args:
        settings: Name the topics; `kafka.partitions` and `kafka.replication` are theirs too.

    Returns:
        Names of the topics that were created.

    Raises:
        BrokerAway: No broker answers.
        NotAllowed: Kafka does not let us look, or create.
    """
    return _create_missing(settings, {topic: (settings.kafka.partitions, {}) for topic in settings.mapped_topics})


def _create_missing(settings: Settings, wanted: Mapping[str, tuple[int, dict[str, str]]]) -> list[str]:
    """Create those of the wanted topics that do not exist, each with its partitions and configuration."""
    with administration(settings) as admin:
        present = set(admin.list_topics())
        missing = [topic for topic in wanted if topic not in present]
        for topic in missing:
            _create(admin, settings, topic, *wanted[topic])
        if missing:
            admin.wait_for_topics(missing, timeout_ms=10_000)
    return missing


@contextmanager
def administration(settings: Settings) -> Iterator[Any]:
    """Open kafka-python's admin client, and close it at the end.

    Raises:
        BrokerAway: No broker answers.
        NotAllowed: The broker refuses the login or a call.
        RecordRefused: The broker refuses a call as not valid.
    """
    try:
        admin = open_client(KafkaAdminClient, **client_arguments(settings.kafka, "sluicegate-admin"))
        try:
            yield admin
        finally:
            admin.close()
    except kafka_errors.KafkaError as error:
        raise trouble(error, settings.kafka.bootstrap) from error


def topic_options(admin: Any, topics: Sequence[str]) -> dict[str, dict[str, str]]:
    """Configuration of each topic, the broker's defaults included: `retention.ms`, `cleanup.policy`, ..."""
    wanted = [ConfigResource("TOPIC", topic) for topic in topics]
    found = admin.describe_configs(wanted, config_filter="all").get("topic", {})
    return {topic: {name: str(entry["value"]) for name, entry in options.items()} for topic, options in found.items()}


def _create(admin: Any, settings: Settings, name: str, partitions: int, configs: dict[str, str]) -> None:
    topic = NewTopic(name, partitions, settings.kafka.replication, topic_configs=configs)
    try:
        admin.create_topics([topic], timeout_ms=int(settings.kafka.request_timeout * 1000))
    except kafka_errors.TopicAlreadyExistsError:
        return  # Another process of ours was first.
    except kafka_errors.AuthorizationError as error:
        raise NotAllowed(
            f"topic {name!r} does not exist on {settings.kafka.bootstrap}, or we may not see it, and "
            f"Kafka does not let us create it ({type(error).__name__}): create it, or grant kafka.username the rights "
            "that docs/operations.md lists"
        ) from error
