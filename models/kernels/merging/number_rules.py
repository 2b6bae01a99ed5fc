"""All numbers of a model that several learners train, as a vector each, in; one vector out.

A segment is a column: segments (s, 5) i64 have its rule, where it begins and ends, where the column begins by which its
rule goes, and 1 where its numbers are f4 in the tables. A count of steps is one number at the place by which others go.
"""

import math

import numpy as np

from models.dimensions import RANK_START
from models.kernels.core.compile import entry, kernel
from models.kernels.merging.row_rules import NONE, rooted, surviving
from models.kernels.merging.vector_steps import LEAST

SUM, SETTLING, MEAN, FADING = range(4)


@entry
def merge(base, values, segments, numbers, taken, kept):
    """Merge the parts' vectors into the base, in place: a number that one part alone changed is taken over as it is.

    The rules are those of `row_rules`. Sums come last, because others go by their base.

    base: (n,) f8. values: (p, n) f8. numbers: (s,) f8, of the rules. taken, kept: (p,) f8, working memory.
    """
    for segment in range(segments.shape[0]):
        rule, start, stop, by = segments[segment, 0], segments[segment, 1], segments[segment, 2], segments[segment, 3]
        narrow, number, steps = segments[segment, 4] == 1, numbers[segment], 0.0
        if rule >= MEAN:  # the rules that go by a count of steps
            for part in range(values.shape[0]):
                taken[part] = values[part, by] - base[by]
                kept[part] = surviving(base[by], taken[part], number) if rule == MEAN else number ** taken[part]
                steps += taken[part]
        for at in range(start, stop):
            found = base[at]
            if rule == SUM:
                found = _added(base, values, at)
            elif rule == SETTLING:
                found = _settled(base, values, at, by + at - start, number)
            elif rule == MEAN:
                if steps > 0.0:
                    found = _mean(base, values, at, taken, kept, surviving(base[by], steps, number))
            else:
                found = _faded(base, values, at, kept)
            base[at] = np.float64(np.float32(found)) if narrow else found


@kernel
def _added(base, values, at):
    changed, last, total = 0, base[at], base[at]
    for part in range(values.shape[0]):
        if values[part, at] != base[at]:
            changed += 1
            last = values[part, at]
            total += values[part, at] - base[at]
    return last if changed == 1 else total


@kernel
def _settled(base, values, at, by, pace):
    changed, last, old, grown, work, aims = 0, base[at], base[by], 0.0, 0.0, 0.0
    for part in range(values.shape[0]):
        if values[part, at] == base[at] and values[part, by] == old:
            continue
        changed += 1
        last = values[part, at]
        more = max(values[part, by] - old, LEAST)
        own = pace * rooted(old + RANK_START, more)
        grown += more
        work += own
        aims += own * (values[part, at] - base[at]) / -math.expm1(-own)
    if changed <= 1:
        return last
    return base[at] - math.expm1(-pace * rooted(old + RANK_START, grown)) * aims / work


@kernel
def _mean(base, values, at, taken, kept, left):
    changed, last, total, pull = 0, base[at], 0.0, 0.0
    for part in range(values.shape[0]):
        if taken[part] > 0.0:
            changed += 1
            last = values[part, at]
            total += taken[part]
            pull += taken[part] * (values[part, at] - kept[part] * base[at]) / max(1.0 - kept[part], NONE)
    return last if changed <= 1 else left * base[at] + (1.0 - left) * pull / total


@kernel
def _faded(base, values, at, kept):
    changed, last, all_, more = 0, base[at], 1.0, 0.0
    for part in range(values.shape[0]):
        if values[part, at] != base[at]:
            changed += 1
            last = values[part, at]
            all_ *= kept[part]
            more += values[part, at] - kept[part] * base[at]
    return last if changed <= 1 else all_ * base[at] + more
