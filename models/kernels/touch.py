"""A row that changed in, its mark out: what the next version must carry."""

from models.kernels.compile import kernel


@kernel
def mark(dirty, touched, marks, row):
    """Remember that `row` changed since the last cut; twice is once.

    dirty: (rows / 8,) u8 bitmap. touched: (capacity,) i32 list of the rows in it. marks: (1,) i64, how many rows are
    marked; once it exceeds the capacity of `touched`, the bitmap alone is complete and the cut scans it.
    """
    bit = 1 << (row & 7)
    if dirty[row >> 3] & bit:
        return
    dirty[row >> 3] |= bit
    count = marks[0]
    if count < touched.shape[0]:
        touched[count] = row
    marks[0] = count + 1
