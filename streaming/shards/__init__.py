"""Lets several learners share one stream: each has partitions of its own, and a merge makes one model of all."""

from streaming.shards.engine import lead
from streaming.shards.splitting import NotWithShards, Splitting, check
from streaming.shards.worker import Worker

__all__ = ["NotWithShards", "Splitting", "Worker", "check", "lead"]
