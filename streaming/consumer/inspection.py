"""Asks Kafka about itself and about our topics, without reading or changing a record. Stage 0."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from streaming.consumer.consumer import KafkaSource
from streaming.kafka import ROLES, Offsets, Role, address_text, administration, topic_options, unreachable
from streaming.settings import Settings


class TopicFacts(NamedTuple):
    """One topic.

    Attributes:
        name: Its name.
        id: Its id, which changes when the topic is created again.
        partitions: How many it has.
        replicas: Replicas of the partition with the fewest.
        behind: Partitions with a replica that is not in sync.
        options: Its configuration, defaults included.
    """

    name: str
    id: str
    partitions: int
    replicas: int
    behind: int
    options: Mapping[str, str]


class LogFacts(NamedTuple):
    """A cluster and our topics by role. A role whose topic does not exist is left out.

    `unreached`: brokers that cannot be reached at the address by which they name themselves, and why. `missing`: topics
    of mappings that do not exist.
    """

    cluster: str
    brokers: int
    version: str
    topics: dict[Role, TopicFacts]
    unreached: Mapping[str, str] = {}
    missing: tuple[str, ...] = ()


def inspect_log(settings: Settings) -> LogFacts:
    """Ask the brokers for cluster and topics. Raises BrokerAway, NotAllowed."""
    with administration(settings) as admin:
        cluster = admin.describe_cluster()
        brokers = cluster["brokers"]
        version = str(admin.get_broker_version_data(brokers[0]["broker_id"]).broker_version) if brokers else ""
        present = set(admin.list_topics())
        names = {role: settings.topic(role) for role in ROLES if settings.topic(role) in present}
        described = {found["name"]: found for found in admin.describe_topics(list(names.values()))} if names else {}
        options = topic_options(admin, list(names.values())) if names else {}
    topics = {role: _facts(described[name], options.get(name, {})) for role, name in names.items()}
    unreached = {
        address_text(each["host"], each["port"]): why
        for each in brokers
        if (why := unreachable(each["host"], each["port"])) is not None
    }
    missing = tuple(topic for topic in settings.mapped_topics if topic not in present)
    return LogFacts(str(cluster["cluster_id"]), len(brokers), version, topics, unreached, missing)


def _facts(found: Mapping[str, Any], options: Mapping[str, str]) -> TopicFacts:
    parts = found["partitions"]
    return TopicFacts(
        name=found["name"],
        id=str(found["topic_id"]),
        partitions=len(parts),
        replicas=min((len(part["replica_nodes"]) for part in parts), default=0),
        behind=sum(len(part["isr_nodes"]) < len(part["replica_nodes"]) for part in parts),
        options=options,
    )


def bounds(settings: Settings, topics: list[str]) -> tuple[Offsets, Offsets]:
    """The oldest offset of each partition, and the one after its newest record.

    Raises:
        BrokerAway: No broker answers.
        NotAllowed: The broker refuses us.
        TopicMissing: A topic does not exist.
    """
    with KafkaSource(settings, topics) as source:
        source.assign({})
        return source.beginning_offsets(), source.end_offsets()
