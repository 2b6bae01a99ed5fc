"""A row that changed in, its mark out: what the next version must carry.

One array a table, because every array that kernels hand on costs compile time. marks (n,) u4: [COUNT] how many rows are
marked; [LIST] the place where their numbers begin; from BITS on one bit per row; from there to the end room for their
numbers. More rows than that may be marked: then the bits alone are complete, and a cut scans them.
"""

import numpy as np

from models.kernels.core.compile import kernel

COUNT, LIST, BITS = range(3)


@kernel
def mark(marks, row):
    """Remember that `row` changed since the last cut; twice is once."""
    word, bit = BITS + (row >> 5), np.uint32(1) << np.uint32(row & 31)
    if marks[word] & bit:
        return
    marks[word] |= bit
    place = np.int64(marks[LIST]) + np.int64(marks[COUNT])
    if place < marks.shape[0]:
        marks[place] = row
    marks[COUNT] += 1
