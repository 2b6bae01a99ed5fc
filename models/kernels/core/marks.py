"""A changed row in, its mark for the next version out.

A table has one array for its marks, because every array that kernels hand on costs compile time. marks (n,) u4: [COUNT]
how many rows are marked; [LIST] the place where their numbers begin; from BITS on one bit per row; then, to the end,
room for their numbers. If more rows are marked than fit, only the bits are complete, and a cut scans them.
"""

import numpy as np

from models.kernels.core.compile import kernel

COUNT, LIST, BITS = range(3)


@kernel
def mark(marks, row):
    """Mark `row` as changed since the last cut, once."""
    word, bit = BITS + (row >> 5), np.uint32(1) << np.uint32(row & 31)
    if marks[word] & bit:
        return
    marks[word] |= bit
    place = np.int64(marks[LIST]) + np.int64(marks[COUNT])
    if place < marks.shape[0]:
        marks[place] = row
    marks[COUNT] += 1
