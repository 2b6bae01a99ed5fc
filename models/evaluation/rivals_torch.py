"""Sequence models that are fitted again at each tenth of the stream: SASRec and GRU4Rec. Needs the package torch.

Each is asked with the user's history up to the moment, so it follows a visit between two fits as well; what it does not
know is items newer than the last fit. The stream does not wait for a fit, which favours the model.

Networks alone put own items too high where nobody comes back, as with ratings of films, and too low where half of all
do. So users are reminded of their items as in V-SKNN (S. Latifi, N. Mauro, D. Jannach, Information Sciences 573, 2021).
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from models.arrays import Array
from models.evaluation.rivals import Maker
from models.evaluation.rivals_sessions import LEAST

if TYPE_CHECKING:
    from models.evaluation.networks import Network


class SequenceRival:
    """A network over the items that a user took, and popularity at the last fit for a user without any.

    Let r be the share of events so far whose item the user had taken before. Chances of the items that the user lacks
    sum to 1 - r, and the user's own items share r by 1 / (1 + place), newest first.

    Args:
        name: Which of the recipes.
        seed: Seed of weights, windows, order, drawn items and dropout.
        positions: Most next items that one fit learns, but for its first pass; None for as many as the recipe says.
    """

    pointwise = False

    def __init__(self, name: str, seed: int, positions: int | None = None) -> None:
        from models.evaluation.networks import NETWORKS, RECIPES, settled

        recipe = RECIPES[name]
        self._recipe, self._seed = recipe if positions is None else replace(recipe, positions=positions), seed
        with settled(seed):
            self._network: Network = NETWORKS[name](self._recipe)
        self._histories: dict[str, array[int]] = {}
        self._own: dict[str, set[int]] = {}
        self._events = self._returned = 0
        self._fits = self._learned = 0
        self._counts = np.zeros(0)

    def learn(self, user: str, item: int, target: float, when: float) -> None:
        """Keep a wanted item, for the next fit and for the user's history; others are drawn in the fit."""
        del when
        if target > 0:
            self._histories.setdefault(user, array("i")).append(item)
            own = self._own.setdefault(user, set())
            self._events += 1
            self._returned += item in own
            own.add(item)

    def catch_up(self, when: float) -> None:
        """Do nothing: the stream's tenths are the moments of work."""

    def refit(self, tell: Callable[[str], None]) -> None:
        """Go on from the weights so far, over all histories, within the passes and next items of the recipe."""
        from models.evaluation.networks import fit, settled

        histories = [np.frombuffer(each, np.int32).astype(np.int64) for each in self._histories.values()]
        long = [each for each in histories if len(each) > 1]
        if not long:
            return
        self._counts = np.bincount(np.concatenate(histories)).astype(np.float64)
        self._fits += 1
        seed = 1_000 * self._seed + self._fits
        with settled(seed):
            self._network.grow(len(self._counts))
            passes = self._recipe.first if self._fits == 1 else self._recipe.later
            said = partial(_said, tell, self._fits)
            self._learned += fit(
                self._network, long, self._counts, self._recipe, passes, np.random.default_rng(seed), said
            )

    def scores(self, user: str, count: int, when: float) -> Array:
        """Turn the network's scores into chances, and mix reminders in; an unknown item gets minus infinity."""
        from models.evaluation.networks import LENGTH, scores_of, settled

        del when
        known = self._counts
        found = np.full(count, -np.inf)
        history = self._histories.get(user, ())
        items = [item for item in history[-2 * LENGTH :] if item < len(known) and known[item]]
        if items:
            with settled(self._seed):
                values = scores_of(self._network, items[-LENGTH:])
            known = np.where(known > 0, np.exp(values - values.max()), 0.0)
        known = known / max(float(known.sum()), LEAST)
        found[: len(known)] = np.where(self._counts > 0, known, -np.inf)[:count]
        own = list(dict.fromkeys(reversed(history)))
        if own:
            back, reminders = self._returned / self._events, 1.0 / np.arange(1, len(own) + 1)
            found[own] = -np.inf
            found *= (1.0 - back) / max(float(found[np.isfinite(found)].sum()), LEAST)
            found[own] = back * reminders / reminders.sum()
        return found

    def predicted(self, scores: Array) -> Array:
        """Return the scores, which predict no target: this is not used."""
        return scores

    def memory(self) -> int:
        """Count weights, each with the two numbers that Adam keeps in a fit, and the histories."""
        weights = sum(each.numel() for each in self._network.parameters())
        histories = sum(4 * len(each) + 60 * len(self._own[user]) + 300 for user, each in self._histories.items())
        return int(12 * weights + histories + self._counts.nbytes)

    def notes(self) -> dict[str, Any]:
        """Report the number of fits, how many next items they learned, those of each pass counted, and the budget."""
        return {"fits": self._fits, "learned": self._learned, "most_learned_in_a_fit": self._recipe.positions}


def _said(tell: Callable[[str], None], fit: int, words: str) -> None:
    tell(f"fit {fit}, {words}")


SEQUENCES: Final[dict[str, Maker]] = {name: partial(SequenceRival, name) for name in ("sasrec", "gru4rec")}
"""Makers by name."""
