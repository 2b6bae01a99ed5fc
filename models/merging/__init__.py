"""Merges parts that several learners (shards) hand in: one state, and the changes that bring every shard to it."""

from models.merging.excerpts import Excerpts
from models.merging.merge import merge
from models.merging.round_lengths import RoundLengths, round_lengths
from models.merging.shard import Shard
from models.merging.transport import Part, from_arrays, to_arrays

__all__ = ["Excerpts", "Part", "RoundLengths", "Shard", "from_arrays", "merge", "round_lengths", "to_arrays"]
