"""The ranks of one tested event in, who is served from now on out: the ranker, unless a single source is ahead.

For each source and both measures two paired sums run along, each with the sum of its squared differences as noise: what
was served minus the source, and the ranker minus the source. `lead / sqrt(noise)` is then a lead in standard errors.
What is controlled is what is promised: what was served may not fall behind any source by more than about one of them.
"""

import math

from models.dimensions import RANKER, SOURCES
from models.kernels.core.compile import kernel
from models.kernels.core.marks import mark

SERVED_FADE = 0.9998  # per tested event: a lead of long ago gives no licence to fall behind today
RANKER_FADE = 0.999  # the ranker's form of late: about 1,000 tested events
BEHIND = 1.0  # standard errors behind a source at which that source takes over
AHEAD = 1.0  # both measures' leads together, in standard errors, that bring the ranker back
_NOT_BEHIND = -0.5  # and in neither measure may any source be this far ahead of it: no flapping
_WORSE = 0.5  # a source in charge gives way to one that served is behind by this much more
_FIRST = 1.0  # squared difference before the first event: a handful of events proves nothing
HIT = 20


@kernel
def utility(rank, measure):
    """Measure 0: whether the rank is within 20; measure 1: one over it if so."""
    if rank <= 0 or rank > HIT:
        return 0.0
    return 1.0 if measure == 0 else 1.0 / rank


@kernel
def add(sums, squares, source, measure, fade, difference):
    """One paired difference into a fading sum and the fading sum of squares."""
    sums[source, measure] = fade * sums[source, measure] + difference
    squares[source, measure] = fade * squares[source, measure] + difference * difference


@kernel
def weigh(guard, ranks, contender):
    """Add an event's ranks (CONTENDERS,), 0 for not proposed, to the sums; `contender` was served."""
    for source in range(SOURCES):
        for measure in range(2):
            other = utility(ranks[source], measure)
            shown, ranker = utility(ranks[contender], measure), utility(ranks[RANKER], measure)
            add(guard.lead, guard.noise, source, measure, SERVED_FADE, shown - other)
            add(guard.ranker_lead, guard.ranker_noise, source, measure, RANKER_FADE, ranker - other)
        mark(guard.marks, source)


@kernel
def errors(sums, squares, source, measure):
    """A lead in standard errors."""
    return sums[source, measure] / math.sqrt(squares[source, measure] + _FIRST)


@kernel
def behind(guard, source):
    """How far what was served leads before the source, in the measure where it leads least."""
    return min(errors(guard.lead, guard.noise, source, 0), errors(guard.lead, guard.noise, source, 1))


@kernel
def form(guard, source):
    """The ranker's recent leads before the source, both measures together."""
    first = errors(guard.ranker_lead, guard.ranker_noise, source, 0)
    return first + errors(guard.ranker_lead, guard.ranker_noise, source, 1)


@kernel
def least_form(guard):
    """The ranker's least recent lead before any source in any measure."""
    least = math.inf
    for source in range(SOURCES):
        for measure in range(2):
            least = min(least, errors(guard.ranker_lead, guard.ranker_noise, source, measure))
    return least


@kernel
def decide(guard, now):
    """Who is served next, when `now` was so far."""
    worst = 0
    for source in range(1, SOURCES):
        if behind(guard, source) < behind(guard, worst):
            worst = source
    debt = behind(guard, worst)
    if now == RANKER:
        return worst if debt < -BEHIND and form(guard, worst) < 0 else now
    if form(guard, now) > AHEAD and least_form(guard) > _NOT_BEHIND:
        return RANKER
    if debt < -BEHIND and debt < behind(guard, now) - _WORSE:
        return worst
    return now


@kernel
def choose(guard, ranks, chosen):
    """Weigh one tested event and put the right one in charge."""
    now = chosen.contender[0]
    weigh(guard, ranks, now)
    best = decide(guard, now)
    if best != now:
        chosen.contender[0] = best
        mark(chosen.marks, 0)
