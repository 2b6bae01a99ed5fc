"""Examples as dicts in, what the compiled estimators must answer out: slow, obvious twins in plain Python.

Pairs are summed one by one, derivatives are written out, optimizers keep a dict per feature. No code is shared with the
kernels; only new vectors are taken from them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from itertools import combinations


class Optimizer:
    """One parameter after the other: `step(name, gradient)` is what to subtract."""

    def __init__(self, kind: str, rate: float, power: float = 0.0, eps: float = 1e-8, betas=(0.9, 0.999)) -> None:
        self.kind, self.rate, self.power, self.eps, self.betas = kind, rate, power, eps, betas
        self.sums, self.means, self.squares, self.times = (defaultdict(float) for _ in range(4))

    def step(self, name, gradient: float, event: int) -> float:
        rate = self.rate / (event + 1) ** self.power
        if self.kind == "sgd":
            return rate * gradient
        if self.kind == "adagrad":
            self.sums[name] += gradient**2
            return rate * gradient / math.sqrt(self.sums[name] + self.eps)
        one, two = self.betas
        self.times[name] += 1
        self.means[name] = one * self.means[name] + (1 - one) * gradient
        self.squares[name] = two * self.squares[name] + (1 - two) * gradient**2
        mean = self.means[name] / (1 - one ** self.times[name])
        square = self.squares[name] / (1 - two ** self.times[name])
        eps = self.eps / math.sqrt(1 - two ** self.times[name])
        return rate * mean / (math.sqrt(square) + eps)


class Scaler:
    """Every value ever learned is kept; the mean and the deviation are computed afresh."""

    def __init__(self) -> None:
        self.values = defaultdict(list)

    def scaled(self, name, value: float) -> float:
        known = self.values[name]
        mean = sum(known) / len(known) if known else 0.0
        deviation = math.sqrt(sum((one - mean) ** 2 for one in known) / len(known)) if known else 0.0
        return min(max((value - mean) / deviation, -4.0), 4.0) if deviation > 1e-12 else 0.0


def slope(loss: str, score: float, target: float) -> float:
    if loss == "squared":
        return 2 * (score - target)
    sign = 1 if target > 0 else -1
    return -sign / (1 + math.exp(sign * score))


class Machine:
    """A factorization machine of numeric features, whose vectors are given."""

    def __init__(self, vectors, weight: Optimizer, factor: Optimizer, loss="squared", penalties=(0, 0, 0, 0)) -> None:
        self.vectors = {name: [float(value) for value in vector] for name, vector in vectors.items()}
        self.weights = dict.fromkeys(vectors, 0.0)
        self.intercept, self.weight, self.factor, self.loss, self.penalties = 0.0, weight, factor, loss, penalties
        self.scaler, self.event = Scaler(), 0

    def score(self, x) -> float:
        total = self.intercept + sum(self.weights[name] * value for name, value in x.items())
        for a, b in combinations(x, 2):
            total += x[a] * x[b] * sum(p * q for p, q in zip(self.vectors[a], self.vectors[b], strict=True))
        return total

    def scaled(self, x) -> dict:
        return {name: self.scaler.scaled(name, value) for name, value in x.items()}

    def learn(self, x, y: float, clip: float) -> None:
        for name, value in x.items():
            self.scaler.values[name].append(value)
        x = self.scaled(x)
        g = min(max(slope(self.loss, self.score(x), y), -clip), clip)
        l1w, l2w, l1v, l2v = self.penalties
        before = {name: list(vector) for name, vector in self.vectors.items()}
        self.intercept -= 0.01 * g
        for name, value in x.items():
            own = self.weights[name]
            self.weights[name] -= self.weight.step(name, g * value + l1w * sign(own) + l2w * own, self.event)
            for k, v in enumerate(before[name]):
                others = sum(before[other][k] * x[other] for other in x if other != name)
                gradient = g * value * others + l1v * sign(v) + l2v * v
                self.vectors[name][k] -= self.factor.step((name, k), gradient, self.event)
        self.event += 1


class ListRanker:
    """A linear ranker trained by softmax over lists of dicts."""

    def __init__(self, optimizer: Optimizer, l2: float) -> None:
        self.weights, self.optimizer, self.l2 = defaultdict(float), optimizer, l2
        self.scaler, self.event = Scaler(), 0

    def scores(self, candidates) -> list[float]:
        return [
            sum(self.weights[name] * self.scaler.scaled(name, value) for name, value in x.items()) for x in candidates
        ]

    def learn(self, candidates, chosen: int) -> None:
        grown = [math.exp(score) for score in self.scores(candidates)]
        slopes: dict = defaultdict(float)
        for at, x in enumerate(candidates):
            share = grown[at] / sum(grown) - (at == chosen)
            for name, value in x.items():
                slopes[name] += share * self.scaler.scaled(name, value)
        for name, gradient in slopes.items():
            if gradient:
                step = self.optimizer.step(name, gradient + self.l2 * self.weights[name], self.event)
                self.weights[name] -= step
        for x in candidates:
            for name, value in x.items():
                self.scaler.values[name].append(value)
        self.event += 1


def sign(value: float) -> int:
    return (value > 0) - (value < 0)
