"""Merges parts that several learners (shards) hand in: one state, and the changes that bring every shard to it."""

from models.merging.excerpts import Excerpts
from models.merging.merge import merge
from models.merging.shard import Shard
from models.merging.transport import Part, from_arrays, to_arrays

__all__ = ["Excerpts", "Part", "Shard", "from_arrays", "merge", "to_arrays"]
