"""River's optimizers, schedules and losses in, the numbers that kernels understand out.

Anything that the kernels cannot do is an error that says what to write instead.
"""

from __future__ import annotations

import math
from numbers import Number
from typing import Any

from river import optim

from models.kernels.regression.losses import LOGISTIC, SQUARED
from models.kernels.regression.optimizers import ADAGRAD, ADAM, SGD

_KINDS: dict[type, int] = {optim.SGD: SGD, optim.AdaGrad: ADAGRAD, optim.Adam: ADAM}
_LOSSES: dict[type, int] = {optim.losses.Squared: SQUARED, optim.losses.Log: LOGISTIC}


class UnsupportedOptionError(ValueError):
    """The kernels do not know an optimizer, a schedule or a loss. The message says which they know."""


def schedule(rate: Any) -> tuple[float, float]:
    """Return (rate, power) of a learning rate: at event t it is rate / (t + 1)**power.

    Args:
        rate: A number, or River's Constant or InverseScaling.

    Raises:
        UnsupportedOptionError: For any other schedule.

    >>> schedule(optim.schedulers.InverseScaling(0.1, power=0.5))
    (0.1, 0.5)
    """
    if isinstance(rate, Number):
        return _checked("learning rate", float(rate)), 0.0  # type: ignore[arg-type]
    if type(rate) is optim.schedulers.Constant:
        return _checked("learning rate", rate.learning_rate), 0.0
    if type(rate) is optim.schedulers.InverseScaling:
        return _checked("learning rate", rate.learning_rate), _checked("power", rate.power)
    raise UnsupportedOptionError(
        f"schedule {rate!r}: use a number, Constant or InverseScaling of river.optim.schedulers"
    )


def rule(optimizer: Any) -> list[float]:
    """Return an optimizer of River as kind, rate, power, eps and betas. Its own memory is unused: ours is per row.

    >>> rule(optim.Adam(0.1))
    [2.0, 0.1, 0.0, 1e-08, 0.9, 0.999]
    >>> rule(optim.Momentum())
    Traceback (most recent call last):
    models.estimators.options.UnsupportedOptionError: optimizer Momentum: use SGD, AdaGrad or Adam of river.optim
    """
    kind = _KINDS.get(type(optimizer))
    if kind is None:
        name = type(optimizer).__name__
        raise UnsupportedOptionError(f"optimizer {name}: use SGD, AdaGrad or Adam of river.optim")
    rate, power = schedule(optimizer.lr)
    betas = (optimizer.beta_1, optimizer.beta_2) if kind == ADAM else (0.0, 0.0)
    eps = 0.0 if kind == SGD else float(optimizer.eps)
    return [float(kind), rate, power, eps, float(betas[0]), float(betas[1])]


def loss(chosen: Any) -> int:
    """Return the kernels' number of a loss of River; UnsupportedOptionError for one they do not know."""
    code = _LOSSES.get(type(chosen))
    if code is None or (code == LOGISTIC and (chosen.weight_pos, chosen.weight_neg) != (1.0, 1.0)):
        raise UnsupportedOptionError(
            f"loss {chosen!r}: use Squared() or Log() of river.optim.losses; weigh examples by w"
        )
    return code


def finite(name: str, value: float) -> float:
    """Check that a number is finite; ValueError otherwise."""
    if not math.isfinite(value):
        raise ValueError(f"{name} {value!r}: must be a finite number")
    return float(value)


def limit(name: str, value: float) -> float:
    """Check that a number is positive, infinity included; ValueError otherwise."""
    if not value > 0:
        raise ValueError(f"{name} {value!r}: must be above 0")
    return float(value)


def penalty(name: str, value: float) -> float:
    """Check that a number is finite and not negative; ValueError otherwise."""
    return _checked(name, value)


def _checked(name: str, value: float) -> float:
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name} {value!r}: must be a finite number and not negative")
    return float(value)
