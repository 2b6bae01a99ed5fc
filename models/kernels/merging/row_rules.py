"""What several learners made of a row in, one value out: the rules that the schema declares beside sums and AdaGrad's.

All kernels take rows (g,) i32 that several parts changed, whose values are `order[starts[i]:starts[i + 1]]` in values
(m,), and change target (n,) in place. `parts` (m,) has the part of each place of `order`, and taken (p,) f8 how many
steps each part took.
"""

import math

import numpy as np

from models.dimensions import NEVER, RANK_START
from models.kernels.core.compile import entry, kernel
from models.kernels.merging.vector_steps import LEAST

TINY = float(np.finfo(np.float64).tiny)
NONE = 1e-12
"""Least weight that is divided by."""


@entry
def add_logs(target, rows, starts, order, values):
    """log(exp(base) + sum(exp(value) - exp(base))); never above all that was added, and never without an end below.

    target: (n, k) f8. values: (m, k) f8.
    """
    for group in range(rows.shape[0]):
        row, first, stop = rows[group], starts[group], starts[group + 1]
        for k in range(target.shape[1]):
            base = target[row, k]
            top, least = base, values[order[first], k]
            for at in range(first, stop):
                top = max(top, values[order[at], k])
                least = min(least, values[order[at], k])
            # A key that nobody ever raised stays: exp of its distance to itself is 1, and would be counted.
            if top <= NEVER or (top == base and least == base):
                continue
            known = math.exp(base - top)
            total = known
            for at in range(first, stop):
                value = values[order[at], k]
                if value != base:
                    total += math.exp(value - top) - known
            target[row, k] = top + math.log(max(total, math.exp(least - top), TINY))


@entry
def take_largest(target, rows, starts, order, values):
    """The parts' largest value. It may be below the base: a clock can be set back."""
    for group in range(rows.shape[0]):
        found = values[order[starts[group]]]
        for at in range(starts[group] + 1, starts[group + 1]):
            found = max(found, values[order[at]])
        target[rows[group]] = found


@entry
def take_earliest(target, rows, starts, order, values):
    """The smallest value that is not 0, the base's included; 0 when all are."""
    for group in range(rows.shape[0]):
        found = target[rows[group]]
        for at in range(starts[group], starts[group + 1]):
            value = values[order[at]]
            if value != 0 and (found == 0 or value < found):
                found = value
        target[rows[group]] = found


@entry
def take_described(target, rows, starts, order, values):
    """The first part's row that is not the base's. target: (n, words) u4. values: (m, words) u4."""
    for group in range(rows.shape[0]):
        row, differs = rows[group], False
        for at in range(starts[group], starts[group + 1]):
            place = order[at]
            for word in range(target.shape[1]):
                differs = differs or values[place, word] != target[row, word]
            if differs:
                for word in range(target.shape[1]):
                    target[row, word] = values[place, word]
                break


@entry
def settle(target, rows, starts, order, values, totals, sums, pace, low, high):
    """The base, moved as far towards the parts' aims as the work of all of them goes, within low to high.

    A part that did work t has gone the share 1 - exp(-t) of the way to its aim. The aims weigh by the work of each,
    which is `pace` for each unit by which the root of the sum of squared gradients grew. totals: (m,) that sum of each
    part. sums: (n,) the base's.
    """
    for group in range(rows.shape[0]):
        row, first, stop = rows[group], starts[group], starts[group + 1]
        base, old, grown, work, aims = np.float64(target[row]), np.float64(sums[row]), 0.0, 0.0, 0.0
        for at in range(first, stop):
            more = max(np.float64(totals[order[at]]) - old, LEAST)
            own = pace * rooted(old + RANK_START, more)
            grown += more
            work += own
            aims += own * (np.float64(values[order[at]]) - base) / -math.expm1(-own)
        all_ = pace * rooted(old + RANK_START, grown)
        target[row] = min(max(base - math.expm1(-all_) * aims / work, low), high)


@kernel
def rooted(before, more):
    """sqrt(before + more) - sqrt(before), without the loss of digits where more is little."""
    return more / (math.sqrt(before + more) + math.sqrt(before))


@entry
def settle_by_steps(target, rows, starts, order, values, parts, taken, pace, low, high):
    """The same where work is `pace` for each step."""
    for group in range(rows.shape[0]):
        row, work, aims = rows[group], 0.0, 0.0
        base = np.float64(target[row])
        for at in range(starts[group], starts[group + 1]):
            own = pace * max(taken[parts[at]], LEAST)
            work += own
            aims += own * (np.float64(values[order[at]]) - base) / -math.expm1(-own)
        target[row] = min(max(base - math.expm1(-work) * aims / work, low), high)


@entry
def halve_together(shown, liked, refused, rows, starts, order, more_shown, more_liked, more_refused, limit):
    """Three counts that are halved together beyond a limit: as if nobody had, then halved as often as it takes.

    A part halved when its sum is below the base's: all else only adds. The counts are (n,) f4, the parts' (m,) f4.
    """
    for group in range(rows.shape[0]):
        row = rows[group]
        first, second, third = np.float64(shown[row]), np.float64(liked[row]), np.float64(refused[row])
        before, one, two, three = first + second + third, first, second, third
        for at in range(starts[group], starts[group + 1]):
            place = order[at]
            a, b, c = np.float64(more_shown[place]), np.float64(more_liked[place]), np.float64(more_refused[place])
            factor = 2.0 if a + b + c < before else 1.0
            one += factor * a - first
            two += factor * b - second
            three += factor * c - third
        total = max(one, 0.0) + max(two, 0.0) + max(three, 0.0)
        share = 0.5 ** math.ceil(math.log2(max(total / limit, 1.0)))
        shown[row], liked[row], refused[row] = max(one, 0.0) * share, max(two, 0.0) * share, max(three, 0.0) * share


@kernel
def surviving(before, steps, least):
    """What is left of a running mean after further steps, each of one over the count of steps or of `least`."""
    young = min(steps, max(math.floor(1.0 / least) - before, 0.0))  # steps of one over their number
    first = before / max(before + young, 1.0) if young > 0 else 1.0
    return first * (1.0 - least) ** (steps - young)


@entry
def mean_by_steps(target, rows, starts, order, values, parts, taken, before, least):
    """A running mean after the steps of all parts, whose targets weigh by their steps. before: steps of the base."""
    for group in range(rows.shape[0]):
        row, steps, total, pull = rows[group], 0.0, 0.0, 0.0
        base = np.float64(target[row])
        for at in range(starts[group], starts[group + 1]):
            own = taken[parts[at]]
            kept = surviving(before, own, least)
            steps += own
            if kept < 1.0:
                total += own
                pull += own * (np.float64(values[order[at]]) - kept * base) / max(1.0 - kept, NONE)
        if total > 0.0:
            left = surviving(before, steps, least)
            target[row] = left * base + (1.0 - left) * pull / max(total, NONE)


@entry
def mean_by_count(target, rows, starts, order, values, counts, counted, least, default):
    """The same by a count of the same row, with a step that is always the same; the first value is taken as it is.

    A part whose value is the base's took no step. counts: (m,) of each part. counted: (n,) the base's. default: the
    value of a base that knows none.
    """
    for group in range(rows.shape[0]):
        row, total, pull = rows[group], 0.0, 0.0
        base, old = np.float64(target[row]), np.float64(counted[row])
        for at in range(starts[group], starts[group + 1]):
            value = np.float64(values[order[at]])
            if value == base:
                continue
            own = max(np.float64(counts[order[at]]) - old, 1.0)
            kept = (1.0 - least) ** own if base != default else 0.0
            total += own
            pull += own * (value - kept * base) / max(1.0 - kept, NONE)
        if total > 0.0:
            left = (1.0 - least) ** total if base != default else 0.0
            target[row] = left * base + (1.0 - left) * pull / total


@entry
def fade(target, rows, starts, order, values, parts, left):
    """f^K F0 + sum (F_s - f^k_s F0) for K = sum k_s steps. target: (n, k) f8. values: (m, k) f8. left: (p,) f^k_s."""
    for group in range(rows.shape[0]):
        row, all_ = rows[group], 1.0
        for at in range(starts[group], starts[group + 1]):
            all_ *= left[parts[at]]
        for k in range(target.shape[1]):
            base = target[row, k]
            total = all_ * base
            for at in range(starts[group], starts[group + 1]):
                total += values[order[at], k] - left[parts[at]] * base
            target[row, k] = total


@entry
def join_rates(target, rows, starts, order, values, times, known, seconds):
    """Seconds between records: each part fades the base's rate and adds its own, over the same time.

    times: (m,) f8 how far each part has come. known: (n,) f8 how far the base has.
    """
    for group in range(rows.shape[0]):
        row, longest, total = rows[group], 0.0, 0.0
        base = target[row]
        for at in range(starts[group], starts[group + 1]):
            passed = max(times[order[at]] - known[row], 0.0)
            longest = passed if at == starts[group] else max(longest, passed)
            total += 1.0 / values[order[at]] - math.exp(-passed / seconds) / base
        target[row] = 1.0 / (math.exp(-longest / seconds) / base + max(total, NONE))
