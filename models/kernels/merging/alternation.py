"""Sequences of several learners in, one sequence out in which they take turns."""

import math

from models.kernels.core.compile import entry


@entry
def take_turns(items, counts, most, heads, turns, starts, found):
    """Write the items of all parts, each part's spread evenly over the whole; of equal turns the first part's is first.

    Number k of a part that wrote n has its turn at (k + 1/2) / n. A part whose n is above `most` has its last `most`.

    items: (m,) i32, one part after another. counts: (p,) i64, n of each. found: (m,) i32. heads, starts: (p,) i64 and
    turns: (p,) f8, working memory.
    """
    at = 0
    for part in range(counts.shape[0]):
        heads[part] = max(0, counts[part] - most)
        starts[part] = at - heads[part]
        at += counts[part] - heads[part]
        turns[part] = (heads[part] + 0.5) / counts[part]
    for place in range(found.shape[0]):
        own, least = 0, math.inf
        for part in range(counts.shape[0]):
            if turns[part] < least:
                own, least = part, turns[part]
        found[place] = items[starts[own] + heads[own]]
        heads[own] += 1
        turns[own] = (heads[own] + 0.5) / counts[own] if heads[own] < counts[own] else math.inf
