"""References in, the same without those to removed rows out."""

from models.kernels.core.compile import entry
from models.kernels.core.marks import mark


@entry
def sweep(values, removed, marks, width):
    """Set to -1 every reference to a removed row, and mark the table's row that held it.

    values: (n * width,) i32, `width` references a row, -1 for none. removed: (m,) u1, 1 for a removed row.
    """
    for at in range(values.shape[0]):
        row = values[at]
        if row >= 0 and removed[row]:
            values[at] = -1
            mark(marks, at // width)
