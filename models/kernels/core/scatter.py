"""Rows in, the same at their places in a table out, and back: applies a delta while requests are answered, cuts one.

numpy's fancy indexing holds the interpreter lock while it copies; this does not, and needs no copy of the row numbers.
Rows are copied in words of four bytes, or as numbers of two, whatever they hold.
"""

from models.kernels.core.compile import entry


@entry
def scatter(table, rows, values):
    """table[rows[i]] = values[i]. table: (n,) u4 or u2. rows: (m,) i32 below n. values: (m,), likewise."""
    for at in range(rows.shape[0]):
        table[rows[at]] = values[at]


@entry
def scatter_wide(table, rows, values):
    """The same for rows of several numbers, (n, width) u4."""
    for at in range(rows.shape[0]):
        row = rows[at]
        for word in range(table.shape[1]):
            table[row, word] = values[at, word]


@entry
def gather(table, rows, values):
    """values[i] = table[rows[i]], of the same types."""
    for at in range(rows.shape[0]):
        values[at] = table[rows[at]]


@entry
def gather_wide(table, rows, values):
    """The same for rows of several numbers, (n, width) u4."""
    for at in range(rows.shape[0]):
        row = rows[at]
        for word in range(table.shape[1]):
            values[at, word] = table[row, word]
