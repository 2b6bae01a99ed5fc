"""Vowpal Wabbit as a rival: factorization (`--lrq`) and interactions (`-q`). Needs the package vowpalwabbit.

The features are the user and the item. Weights are read one by one (`get_weight`), so that numpy can rank all items.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from models.arrays import Array
from models.evaluation.rivals import FACTORS, Maker, MirroredRival

BITS: Final = 22
"""4 million weights: with 16 for each feature and 100,000 users and items, few features share one."""

CONSTANT: Final = 11650396
"""Index of the constant feature, from Vowpal Wabbit's source."""


class VowpalWabbit(MirroredRival):
    """The base of both.

    Args:
        arguments: Command line of Vowpal Wabbit.
        shift: Bits by which it shifts the index of a feature.
        columns: Weights of one item.
    """

    def __init__(self, arguments: str, shift: int, columns: int) -> None:
        import vowpalwabbit

        super().__init__(columns)
        self._shift = shift
        self._mask = (1 << BITS) - 1
        self._workspace: Any = vowpalwabbit.Workspace(f"--quiet -b {BITS} {arguments}")
        self._spaces = {space: self._workspace.hash_space(space) for space in ("u", "i")}
        self._users: dict[str, int] = {}

    def learn(self, user: str, item: int, target: float, when: float) -> None:
        """Learn one example of two features."""
        del when
        self._workspace.learn(f"{target:g} {self.text(user, item)}")
        self._refresh(item)

    def text(self, user: str, item: int) -> str:
        """Write the two features as Vowpal Wabbit reads them. Users are numbered: an id may contain its separators."""
        return f"|u u{self._users.setdefault(user, len(self._users))} |i i{item}"

    def predict(self, user: str, item: int) -> float:
        """Ask Vowpal Wabbit for the score of a pair, before the prediction is cut to the range of the targets."""
        example = self._workspace.parse(self.text(user, item))
        self._workspace.predict(example)
        found = float(example.get_partial_prediction())
        self._workspace.finish_example(example)
        return found

    def predicted(self, scores: Array) -> Array:
        """Cut scores to the range of the targets, as Vowpal Wabbit does. Ranks use uncut scores: cut ones tie at 1."""
        return np.clip(scores, 0.0, 1.0)

    def _weights(self, space: str, name: str) -> list[float]:
        start = self._workspace.hash_feature(name, self._spaces[space]) << self._shift
        columns = len(self._rows.upto(1)[0])
        return [self._workspace.get_weight((start + at) & self._mask, 0) for at in range(columns)]

    def _row(self, item: int) -> list[float]:
        return self._weights("i", f"i{item}")

    def _own(self, user: str) -> Array:
        return np.array(self._weights("u", f"u{self._users.setdefault(user, len(self._users))}"))

    def _constant(self) -> float:
        return float(self._workspace.get_weight(CONSTANT << self._shift & self._mask, 0))

    def memory(self) -> int:
        """Count all weights, which are allocated at once, each with the state of its step size."""
        return int(4 * self._workspace.num_weights() * self._workspace.get_stride())


class VowpalWabbitFactorization(VowpalWabbit):
    """`--lrq ui10`: a weight per user and item, and the product of their vectors; squared loss.

    Plain steps of 0.05: with its adaptive steps, at six rates tried, it ranks worse on MovieLens and REES46.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(
            f"--lrq ui{FACTORS} --sgd --learning_rate 0.05 --random_seed {seed}", FACTORS.bit_length(), 1 + FACTORS
        )

    def scores(self, user: str, count: int, when: float) -> Array:
        """Compute w0 + wu + wi + <vu, vi>."""
        del when
        own, matrix = self._own(user), self._matrix(count)
        return np.asarray(matrix[:, 1:] @ own[1:] + matrix[:, 0] + own[0] + self._constant())


class VowpalWabbitInteractions(VowpalWabbit):
    """`-q ui`: a weight per user, per item and per pair of them; squared loss.

    The rate is 0.1, which is better on the whole of MovieLens and REES46 than its default of 0.5.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(f"-q ui --learning_rate 0.1 --random_seed {seed}", 0, 1)
        self._pairs: dict[str, set[int]] = {}

    def learn(self, user: str, item: int, target: float, when: float) -> None:
        """Learn one example, whose pair has a weight from then on."""
        super().learn(user, item, target, when)
        self._pairs.setdefault(user, set()).add(item)

    def scores(self, user: str, count: int, when: float) -> Array:
        """Compute w0 + wu + wi, and ask Vowpal Wabbit about the pairs it learned: all others weigh nothing."""
        del when
        scores = self._matrix(count)[:, 0] + self._own(user)[0] + self._constant()
        for item in self._pairs.get(user, ()):
            if item < count:
                scores[item] = self.predict(user, item)
        return np.asarray(scores)


VW: Final[dict[str, Maker]] = {"vw.lrq": VowpalWabbitFactorization, "vw.interactions": VowpalWabbitInteractions}
"""Makers by name."""
