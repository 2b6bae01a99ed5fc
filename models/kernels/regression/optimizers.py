"""A row of parameters, its gradient and its optimizer's memory in, the row after one step out.

SGD: p -= rate g. AdaGrad (Duchi, Hazan, Singer, JMLR 2011): p -= rate g / sqrt(sum g^2 + eps). Adam (Kingma, Ba, ICLR
2015, the form before section 2.1): m and v with the bias corrections of the row's own step count. Memory belongs to a
row, so rare features do not inherit the step sizes of frequent ones.
"""

import math

from models.kernels.core.compile import kernel

SGD, ADAGRAD, ADAM = 0, 1, 2

# An optimizer is six numbers in an array of settings (one array is handed to compiled code sooner than a tuple of
# thirty numbers). The step at event t is rate / (t + 1) ** power, power 0 being a constant rate.
KIND, RATE, POWER, EPS, BETA_1, BETA_2 = range(6)
RULE = 6


def memory_width(kind: int, width: int) -> int:
    """Columns of memory that a row of `width` parameters needs.

    >>> [memory_width(kind, 10) for kind in (SGD, ADAGRAD, ADAM)]
    [0, 10, 21]
    """
    return {SGD: 0, ADAGRAD: width, ADAM: 2 * width + 1}[kind]


@kernel
def rate_at(rate, power, steps):
    """The step size after `steps` events."""
    return rate if power == 0.0 else rate / math.pow(steps + 1.0, power)


@kernel
def descend(settings, rule, rate, table, row, first, width, memory, place, gradient):
    """table[row, first:first + width] takes one step against gradient[:width], by the rule at settings[rule:].

    memory[row, place:] remembers it.
    """
    if settings[rule + KIND] == SGD:
        for at in range(width):
            table[row, first + at] -= rate * gradient[at]
    elif settings[rule + KIND] == ADAGRAD:
        eps = settings[rule + EPS]
        for at in range(width):
            memory[row, place + at] += gradient[at] * gradient[at]
            table[row, first + at] -= rate * gradient[at] / math.sqrt(memory[row, place + at] + eps)
    else:
        _adam(settings, rule, rate, table, row, first, width, memory, place, gradient)


@kernel
def _adam(settings, rule, rate, table, row, first, width, memory, place, gradient):
    beta_1, beta_2, eps = settings[rule + BETA_1], settings[rule + BETA_2], settings[rule + EPS]
    memory[row, place + 2 * width] += 1.0
    steps = memory[row, place + 2 * width]
    corrected = rate * math.sqrt(1.0 - math.pow(beta_2, steps)) / (1.0 - math.pow(beta_1, steps))
    for at in range(width):
        mean = beta_1 * memory[row, place + at] + (1.0 - beta_1) * gradient[at]
        square = beta_2 * memory[row, place + width + at] + (1.0 - beta_2) * gradient[at] * gradient[at]
        memory[row, place + at], memory[row, place + width + at] = mean, square
        table[row, first + at] -= corrected * mean / (math.sqrt(square) + eps)
