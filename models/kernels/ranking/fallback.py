"""The ranks of one tested event in, the contender to serve from now on out: the ranker, unless a source is ahead.

For each source and both measures two paired sums run along, each with the sum of its squared differences as noise: the
served list minus the source, and the ranker minus the source. `lead / sqrt(noise)` is a lead in standard errors. The
promise is what is controlled: the served list falls behind no source by more than about one standard error.
"""

import math

from models.dimensions import RANKER, RANKER_FADE, SERVED_FADE, SOURCES
from models.kernels.core.compile import kernel
from models.kernels.core.marks import mark

BEHIND = 1.0  # standard errors behind a source at which that source takes over
AHEAD = 1.0  # both measures' leads together, in standard errors, that bring the ranker back
_NOT_BEHIND = -0.5  # and no source may be this far ahead of it in either measure: no flapping
_WORSE = 0.5  # a source in charge gives way to another if the served list is this much further behind that one
# Squared difference before the first event. A few dozen events prove nothing: of eight sources in two measures one is
# ahead of any order by chance. At 1, sources took over from a young ranker that was better (docs/decisions.md).
_FIRST = 16.0
HIT = 20


@kernel
def utility(rank, measure):
    """Measure 0: 1 for a rank within 20, else 0; measure 1: one over the rank if within 20, else 0."""
    if rank <= 0 or rank > HIT:
        return 0.0
    return 1.0 if measure == 0 else 1.0 / rank


@kernel
def add(sums, squares, source, measure, fade, difference):
    """Add one paired difference to a fading sum and the fading sum of squares."""
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
    """By how much the served list leads the source, in the measure where it leads least."""
    return min(errors(guard.lead, guard.noise, source, 0), errors(guard.lead, guard.noise, source, 1))


@kernel
def form(guard, source):
    """The ranker's recent leads over the source, both measures together."""
    first = errors(guard.ranker_lead, guard.ranker_noise, source, 0)
    return first + errors(guard.ranker_lead, guard.ranker_noise, source, 1)


@kernel
def least_form(guard):
    """The smallest of the ranker's recent leads over any source in any measure."""
    least = math.inf
    for source in range(SOURCES):
        for measure in range(2):
            least = min(least, errors(guard.ranker_lead, guard.ranker_noise, source, measure))
    return least


@kernel
def decide(guard, now):
    """The contender to serve next, after `now`."""
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
    """Weigh one tested event and put the right contender in charge."""
    now = chosen.contender[0]
    weigh(guard, ranks, now)
    best = decide(guard, now)
    if best != now:
        chosen.contender[0] = best
        mark(chosen.marks, 0)
