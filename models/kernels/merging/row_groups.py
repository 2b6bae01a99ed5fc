"""Rows that several learners changed, found and marked."""

from models.kernels.core.compile import entry
from models.kernels.core.marks import mark


@entry
def group(rows, counts, groups, alone):
    """Tell the rows that come once from those that come more often; returns how many of the latter there are.

    rows: (m,) i32 those of one part after another. counts: (capacity,) i32 zeros, working memory. groups: (m,) i32, the
    group of each place in the order in which groups first come, -1 for a row that comes once. alone: (m,) u1, 1 where a
    row comes once.
    """
    for at in range(rows.shape[0]):
        counts[rows[at]] += 1
    found = 0
    for at in range(rows.shape[0]):
        count = counts[rows[at]]
        if count == 1:
            alone[at] = 1
            groups[at] = -1
        elif count > 1:  # the first place of the row: its count becomes its group's number, below 0
            counts[rows[at]] = -1 - found
            groups[at] = found
            found += 1
        else:
            groups[at] = -1 - count
    return found


@entry
def mark_all(marks, rows):
    """Mark rows (n,) i32 as changed since the last cut."""
    for at in range(rows.shape[0]):
        mark(marks, rows[at])
