"""Rows of bytes in, the same at their places in a table out: applies a delta while requests are answered.

numpy's fancy assignment holds the interpreter lock while it copies; this does not.
"""

from models.kernels.core.compile import entry


@entry
def scatter(target, rows, values):
    """target[rows[i]] = values[i]. target: (n, width) u8. rows: (m,) i32 below n. values: (m, width) u8."""
    for at in range(rows.shape[0]):
        row = rows[at]
        for byte in range(target.shape[1]):
            target[row, byte] = values[at, byte]
