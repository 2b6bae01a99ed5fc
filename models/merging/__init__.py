"""Parts that several learners (shards) hand in -> one state, and the changes that bring every shard to it.

A round: each shard learns with a `Recommender(state, options, learners=shards)`, at most `Shard.left()` events, and
hands in `Shard.take()`. The coordinator calls `merge(state, parts)`, then does what is its own alone: item facts,
erasures, joined users, and `Recommender.settle()` for the ceilings. `state.changed()` is then what every shard takes
over by `Shard.apply()`, and what the next version stores. `to_arrays` and `from_arrays` are for the way between
processes.
"""

from models.merging.merge import Merged, merge
from models.merging.parts import Part, from_arrays, to_arrays
from models.merging.shard import Shard

__all__ = ["Merged", "Part", "Shard", "from_arrays", "merge", "to_arrays"]
