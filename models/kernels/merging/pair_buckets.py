"""Pairs as several learners counted them in; in each bucket its largest pairs out."""

from models.kernels.core.compile import entry, kernel


@entry
def keep_largest(owners, others, counts, several, bounds, order, keys, held_owners, held_others, held_counts):
    """Add up the counts of each pair, and keep in each bucket of `several` those with the largest sums above 0.

    Of equal sums the pair with the lower rows stays. A pair stands in the bucket `owner % buckets`.

    owners, others: (n,) i32, -1 for none, and counts: (n,) f64, of pairs that may be there more than once. several:
    (buckets,) bool. bounds: (buckets + 1,) i64 of zeros, order: (n,) i64 and keys: (slots,) f64, working memory.
    held_owners, held_others, held_counts: (buckets * slots,) what is kept.
    """
    _by_bucket(owners, others, bounds, order)
    start = 0
    for bucket in range(several.shape[0]):
        stop = bounds[bucket]
        if several[bucket]:
            _sort(owners, others, order, start, stop)
            row = bucket * keys.shape[0]
            _keep(owners, others, counts, order, start, stop, row, keys, held_owners, held_others, held_counts)
        start = stop


@kernel
def _by_bucket(owners, others, bounds, order):
    """Places of the pairs, bucket after bucket; `bounds` has where each bucket ends."""
    buckets = bounds.shape[0] - 1
    for at in range(owners.shape[0]):
        if owners[at] >= 0 and others[at] >= 0:
            bounds[owners[at] % buckets + 1] += 1
    for bucket in range(buckets):
        bounds[bucket + 1] += bounds[bucket]
    for at in range(owners.shape[0]):
        if owners[at] >= 0 and others[at] >= 0:
            bucket = owners[at] % buckets
            order[bounds[bucket]] = at
            bounds[bucket] += 1


@kernel
def _sort(owners, others, order, start, stop):
    """Sort places by the rows of their pairs. A bucket has few, and those of a part come sorted in runs."""
    for at in range(start + 1, stop):
        place, own, other = order[at], owners[order[at]], others[order[at]]
        before = at - 1
        while before >= start and (
            owners[order[before]] > own or (owners[order[before]] == own and others[order[before]] > other)
        ):
            order[before + 1] = order[before]
            before -= 1
        order[before + 1] = place


@kernel
def _keep(owners, others, counts, order, start, stop, row, keys, held_owners, held_others, held_counts):
    """Write the largest sums of a bucket into its slots, which begin at `row`, and empty the rest."""
    slots, known, at = keys.shape[0], 0, start
    while at < stop:
        own, other, total = owners[order[at]], others[order[at]], 0.0
        while at < stop and owners[order[at]] == own and others[order[at]] == other:
            total += counts[order[at]]
            at += 1
        if total <= 0.0 or (known == slots and total <= keys[slots - 1]):
            continue
        rank = min(known, slots - 1)
        known = min(known + 1, slots)
        while rank > 0 and keys[rank - 1] < total:
            keys[rank] = keys[rank - 1]
            held_owners[row + rank] = held_owners[row + rank - 1]
            held_others[row + rank] = held_others[row + rank - 1]
            held_counts[row + rank] = held_counts[row + rank - 1]
            rank -= 1
        keys[rank] = total
        held_owners[row + rank], held_others[row + rank], held_counts[row + rank] = own, other, total
    for rank in range(known, slots):
        held_owners[row + rank], held_others[row + rank], held_counts[row + rank] = -1, -1, 0.0
