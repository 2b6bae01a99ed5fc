"""The networks of SASRec and GRU4Rec, their losses, and the fit of either, in PyTorch on the CPU.

Rows of item numbers go in, padded on the right. A network turns each beginning of a row into a vector; the score of an
item as the next one is the product with the item's own vector. Both networks read an item by the vector that it is
scored by. Nothing is read from files.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.arrays import Array

LENGTH: Final = 50
"""The user's last items that a network reads."""

THREADS: Final = 1
"""Threads. Sums are split by threads, so each number gives other last digits. Two wait for each other at each small
operation: on two cores that others used as well, a pass that takes one thread 4 s took them more than a minute."""

WHOLE: Final = 2_048
"""Items up to which a loss takes all of them; above, it draws as many, by how often they were taken."""

SPREAD: Final = 0.02
"""Standard deviation of new vectors."""

STEPS: Final = 50
"""Steps in a pass that smaller batches aim at where a stream is short: a fit of few steps has learned nothing."""

LEAST: Final = 128
"""Next items in the smallest batch."""

REGULARIZED: Final = 0.2
"""Weight of the squared scores in BPR-max."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a network is made and fitted.

    Args:
        loss: Cross-entropy, or BPR-max of GRU4Rec.
        width: Numbers per vector.
        blocks: Layers of self-attention, or of the GRU.
        dropout: Share of numbers that are left out while fitting.
        rate: Step size of Adam.
        first: Passes over the stream so far in the first fit.
        later: Passes in each later one, which goes on from the weights of the one before.
        positions: Most next items that one fit learns, but for its first pass, which is always whole.
        batch: Most next items that are learned together; a short stream has smaller batches, for the sake of STEPS.
    """

    loss: Literal["cross_entropy", "bpr_max"]
    width: int
    blocks: int
    dropout: float
    rate: float
    first: int
    later: int
    positions: int
    batch: int


class Network(nn.Module):
    """Item vectors, which grow with the catalogue; a subclass summarizes rows of items."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.zeros(0, recipe.width))  # (items, width)
        self.dropout = nn.Dropout(recipe.dropout)

    def grow(self, count: int) -> None:
        """Draw vectors for new items, up to `count` items."""
        new = SPREAD * torch.randn(count - len(self.vectors), self.vectors.shape[1])
        self.vectors = nn.Parameter(torch.cat([self.vectors.detach(), new]))

    def forward(self, items: Tensor) -> Tensor:
        """Summarize each beginning of each row: (rows, places) i64 to (rows, places, width)."""
        raise NotImplementedError


class SasRec(Network):
    """Self-attention that sees earlier places only. W.-C. Kang, J. McAuley, ICDM 2018, section III."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        self.places = nn.Parameter(SPREAD * torch.randn(LENGTH, recipe.width))
        self.blocks = nn.ModuleList(Block(recipe.width, recipe.dropout) for _ in range(recipe.blocks))
        self.norm = nn.LayerNorm(recipe.width)

    def forward(self, items: Tensor) -> Tensor:
        """Add a vector for each place, attend, and normalize."""
        states = functional.embedding(items, self.vectors) * math.sqrt(self.vectors.shape[1])
        states = self.dropout(states + self.places[: items.shape[1]])
        for block in self.blocks:
            states = block(states)
        return self.norm(states)


class Block(nn.Module):
    """One head of causal self-attention and a layer for each place; both are added to what comes in."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.asks, self.keys, self.values, self.out = (nn.Linear(width, width) for _ in range(4))
        self.wise = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor) -> Tensor:
        """Update (rows, places, width). Padding is on the right, where no place of a row looks."""
        seen = self.norms[0](states)
        mixed = functional.scaled_dot_product_attention(
            self.asks(seen), self.keys(seen), self.values(seen), is_causal=True
        )
        states = states + self.dropout(self.out(mixed))
        return states + self.dropout(self.wise(self.norms[1](states)))


class Gru4Rec(Network):
    """A recurrent network over the items. B. Hidasi, A. Karatzoglou, CIKM 2018; one set of item vectors, section 4."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        self.layers = nn.GRU(recipe.width, recipe.width, recipe.blocks, batch_first=True)

    def forward(self, items: Tensor) -> Tensor:
        """Run along each row."""
        states = functional.embedding(items, self.vectors) * math.sqrt(self.vectors.shape[1])
        states, _ = self.layers(self.dropout(states))
        return self.dropout(states)


NETWORKS: Final[dict[str, type[Network]]] = {"sasrec": SasRec, "gru4rec": Gru4Rec}
"""Networks by the rival's name."""

RECIPES: Final = {
    "sasrec": Recipe("cross_entropy", 64, 2, 0.5, 1e-3, 20, 3, 2_000_000, 1_024),
    "gru4rec": Recipe("cross_entropy", 96, 1, 0.5, 2e-3, 20, 3, 2_000_000, 1_024),
}
"""By the rival's name. Chosen once, on MovieLens; docs/experiments.md has what was tried."""


@contextmanager
def settled(seed: int) -> Iterator[None]:
    """Make PyTorch repeatable within a block, and leave its settings and its random numbers as they were."""
    before, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(THREADS)
    torch.use_deterministic_algorithms(True)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.use_deterministic_algorithms(strict)
        torch.set_num_threads(before)


def fit(
    network: Network,
    histories: Sequence[Array],
    counts: Array,
    recipe: Recipe,
    passes: int,
    generator: np.random.Generator,
    tell: Callable[[str], None],
) -> int:
    """Fit a network to histories, and return how many next items it learned.

    Args:
        network: Updated in place; it has a vector for each item.
        histories: Items of each user in time order, two or more.
        counts: (items,) how often each was taken.
        recipe: Loss, steps and budget.
        passes: Passes over all histories; fewer when `recipe.positions` is reached.
        generator: Of windows, order and drawn items.
        tell: Called once in a pass with what is being done.
    """
    optimizer = torch.optim.Adam(network.parameters(), lr=recipe.rate)
    batch = max(LEAST, min(recipe.batch, sum(len(each) - 1 for each in histories) // STEPS))
    network.train()
    learned = 0
    for number in range(passes):
        if learned >= recipe.positions:
            break
        tell(f"pass {number + 1} of up to {passes}")
        for rows in batches(histories, batch, generator):
            items = torch.from_numpy(rows)
            known = items[:, 1:] >= 0
            states, wanted = network(items[:, :-1].clamp(min=0))[known], items[:, 1:][known]
            loss = _loss(network.vectors, states, wanted, counts, recipe, generator)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            learned += len(wanted)
    network.eval()
    return learned


def batches(histories: Sequence[Array], batch: int, generator: np.random.Generator) -> list[Array]:
    """Cut histories into rows of up to LENGTH + 1 items, and put rows of like length together.

    Cuts fall elsewhere in each pass, so that each item is seen with a long past sooner or later. Two rows share the
    item at their cut, which is next for one and past for the other.

    Returns:
        Matrices (rows, places) i64 with about `batch` next items, -1 behind a row's end, in random order.
    """
    rows = []
    for history in histories:
        first = len(history) if len(history) <= LENGTH + 1 else 2 + int(generator.integers(LENGTH))
        edges = [0, *range(first - 1, len(history) - 1, LENGTH), len(history) - 1]
        rows += [history[start : end + 1] for start, end in pairwise(edges) if end > start]
    order = sorted(generator.permutation(len(rows)).tolist(), key=lambda at: len(rows[at]))
    found: list[list[Array]] = [[]]
    for at in order:
        if found[-1] and (len(found[-1]) + 1) * (len(rows[at]) - 1) > batch:
            found.append([])
        found[-1].append(rows[at])
    return [_padded(found[at]) for at in generator.permutation(len(found)).tolist() if found[at]]


def _padded(rows: Sequence[Array]) -> Array:
    matrix = np.full((len(rows), max(len(row) for row in rows)), -1, np.int64)
    for at, row in enumerate(rows):
        matrix[at, : len(row)] = row
    return matrix


def _loss(
    vectors: Tensor, states: Tensor, wanted: Tensor, counts: Array, recipe: Recipe, generator: np.random.Generator
) -> Tensor:
    """Hold each next item against others: all of them, or those of the batch and as many as WHOLE drawn ones.

    Drawn items stand for the whole catalogue in cross-entropy, so each counts by one over its chance to be drawn
    (Bengio and Senecal, IEEE Transactions on Neural Networks 19, 2008). BPR-max takes them as they come.
    """
    if len(counts) <= WHOLE:
        others, places, chances = None, wanted, None
    else:
        share = counts / counts.sum()
        drawn = np.searchsorted(np.cumsum(share), generator.random(WHOLE), side="right").clip(max=len(share) - 1)
        chosen, where = np.unique(np.concatenate([wanted.numpy(), drawn]), return_inverse=True)
        others, places = torch.from_numpy(chosen), torch.from_numpy(where[: len(wanted)])
        draws = WHOLE + len(wanted)
        chances = torch.from_numpy(np.log(-np.expm1(draws * np.log1p(-share[chosen]))).astype(np.float32))
    scores = states @ (vectors if others is None else functional.embedding(others, vectors)).T  # (wanted, others)
    if recipe.loss == "bpr_max":
        return bpr_max(scores, places)
    return functional.cross_entropy(scores if chances is None else scores - chances, places)


def bpr_max(scores: Tensor, places: Tensor) -> Tensor:
    """Compute BPR-max, equation 10 of Hidasi and Karatzoglou: scores (n, m), the place of the wanted one (n,)."""
    own = scores.gather(1, places[:, None])
    weights = scores.scatter(1, places[:, None], -torch.inf).softmax(1)
    ahead = (weights * torch.sigmoid(own - scores)).sum(1)
    return (REGULARIZED * (weights * scores**2).sum(1) - torch.log(ahead + 1e-24)).mean()


def scores_of(network: Network, items: Sequence[int]) -> Array:
    """Score every item as the next one after up to LENGTH `items`: (items of the network,) f64."""
    with torch.no_grad():
        states = network(torch.tensor([list(items)], dtype=torch.int64))
        return np.asarray((network.vectors @ states[0, -1]).numpy(), np.float64)
