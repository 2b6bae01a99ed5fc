"""A changed row in, its mark for the next version out.

A table has one array for its marks, because every array that kernels hand on costs compile time. marks (n,) u4: [COUNT]
how many rows are marked; [LIST] the place where their numbers begin; from BITS on one bit per row; then, to the end,
room for their numbers. If more rows are marked than fit, only the bits are complete, and a cut scans them.
"""

import numpy as np

from models.kernels.core.compile import entry, kernel

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


@entry
def mark_all(marks, rows):
    """`mark` for every one of rows (n,) i32, in any order; quickest where they ascend: a word is read and written once.

    Counts and words stay in registers meanwhile.
    """
    count, start, room = np.int64(marks[COUNT]), np.int64(marks[LIST]), marks.shape[0]
    place, word = np.int64(BITS), np.int64(marks[BITS]) if start > BITS else np.int64(0)
    for at in range(rows.shape[0]):
        row = np.int64(rows[at])
        own = BITS + (row >> 5)
        if own != place:
            marks[place] = word
            place, word = own, np.int64(marks[own])
        fresh = 1 - ((word >> (row & 31)) & 1)  # no branch: which rows are marked already cannot be foreseen
        word |= 1 << (row & 31)
        if start + count < room:
            marks[start + count] = row  # the next one writes over it where it is not fresh
        count += fresh
    if start > BITS:
        marks[place] = word
    marks[COUNT] = count


@entry
def marked(marks, rows):
    """Write the numbers of the marked rows, ascending, from their bits. rows: (COUNT + 1,) i32, the last is scratch.

    A byte without a mark is passed over; of another one all eight numbers are written, each over the one before unless
    that one is marked: a branch that cannot be foreseen costs more than eight writes.
    """
    found = np.int64(0)
    for word in range(np.int64(marks[LIST]) - BITS):
        bits, first = np.int64(marks[BITS + word]), word << 5
        while bits != 0:
            byte = bits & 255
            if byte != 0:
                for bit in range(8):
                    rows[found] = first + bit
                    found += (byte >> bit) & 1
            bits >>= 8
            first += 8
