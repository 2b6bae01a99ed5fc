"""Several learners in, each with its own partitions; one model and one version out, merged each second. Stages 1 to 5."""

from streaming.shards.engine import lead
from streaming.shards.sharding import NotWithShards, Splitting, check
from streaming.shards.worker import Worker

__all__ = ["NotWithShards", "Splitting", "Worker", "check", "lead"]
