"""Says which shard reads a partition: topic `events` is keyed by user, so its partitions divide the users."""

from __future__ import annotations

from collections.abc import Callable

from streaming.settings import Settings


def owner(partition: int, shards: int) -> int:
    """The shard that reads a partition of topic `events`. A partition that is added later has an owner at once.

    >>> [owner(partition, 3) for partition in range(5)]
    [0, 1, 2, 0, 1]
    """
    return partition % shards


def owned_by(settings: Settings, shard: int) -> Callable[[str, int], bool]:
    """Whether a shard reads a partition, by topic and partition."""
    events, shards = settings.topic("events"), settings.learner.shards

    def owned(topic: str, partition: int) -> bool:
        return topic == events and owner(partition, shards) == shard

    return owned


__all__ = ["owned_by", "owner"]
