"""Measures how many times faster our factorization machine learns real purchases than River's and Vowpal Wabbit's.

The same examples, fields, factors and rule (squared loss, plain SGD at a constant rate) on one core, one contender
after the other, several rounds, the ratio of each round from that round's own times. Ours gets raw integers and hashes
them inside the timed call, as Vowpal Wabbit does; River gets ready dicts. Of the two ways to feed Vowpal Wabbit from
Python the faster counts: its own reader over a file of text, or one call per line. Both starts are left out.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import itertools
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from river import facto, optim

from benchmarks.report import spread, verdict
from models.estimators import FactorizationMachine
from service.local import purchases

SUMMARY = "microseconds per learned example against River's FMRegressor and Vowpal Wabbit, same fields and factors"
FIELDS = ("user", "item", "category", "brand", "last_item", "hour_of_week")
FACTORS = 10  # River's default
RATE = 0.01
NAMESPACES = "abcdef"
BITS = 22  # of Vowpal Wabbit's table: an lrq feature needs a slot per pair and factor
WANTED = {"river": (100.0, 200.0), "vw": (3.0, 10.0)}


class Examples(NamedTuple):
    """Integers per field (n, m), targets (n,)."""

    fields: NDArray[np.int64]
    targets: NDArray[np.float64]

    def first(self, count: int) -> Examples:
        """Return the first examples."""
        return Examples(self.fields[:count], self.targets[:count])


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add options for the examples that each contender learns in a round."""
    parser.add_argument("--events", type=int, default=50_000, help="for Vowpal Wabbit and ours (default: %(default)s)")
    parser.add_argument("--river-events", type=int, default=5_000, help="for River (default: %(default)s)")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run all six fields, which give the ratios, and also user and item alone."""
    made = examples(options.events + 5_000)
    with one_core(), tempfile.TemporaryDirectory() as folder:
        six = measure(made, options, Path(folder))
        two = measure(Examples(made.fields[:, :2], made.targets), options, Path(folder))
    figures = [
        verdict(f"times as fast as {name}", six["ratios"][name], "x", *WANTED[name], higher=True)
        for name in six["ratios"]
    ]
    return {
        "ratios": six.pop("ratios"),
        "figures": figures,
        "fields": ", ".join(FIELDS),
        "factors": FACTORS,
        "six_fields": six,
        "user_and_item_alone": two,
    }


def measure(made: Examples, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Measure µs per example of every contender, round after round; ratios are medians of each round's ratio."""
    learned, few, later = made.first(options.events), made.first(options.river_events), _after(made, options.events)
    contenders = _contenders(learned, few, folder, options.seed)
    for _, prepare in contenders.values():  # compiles, fills caches
        prepare()()
    rounds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(options.runs):
        for name, (count, prepare) in contenders.items():
            work = prepare()
            began = time.perf_counter()
            work()
            rounds[name].append((time.perf_counter() - began) * 1e6 / count)
    if "vw_start" in rounds:
        started = rounds.pop("vw_start")
        rounds["vw_file"] = [max(0.0, a - b) for a, b in zip(rounds["vw_file"], started, strict=True)]
    return _summary(rounds) | {"mean_squared_error_afterwards": _errors(learned, later, options.seed)}


def _summary(rounds: dict[str, list[float]]) -> dict[str, Any]:
    ours = rounds["ours"]
    fastest = {"river": rounds["river"]}
    if "vw_file" in rounds:
        fastest["vw"] = [min(pair) for pair in zip(rounds["vw_file"], rounds["vw_lines"], strict=True)]
    found = {
        name: spread([their / own for their, own in zip(times, ours, strict=True)], 1)
        for name, times in fastest.items()
    }
    return {
        "ratios": {name: ratio["median"] for name, ratio in found.items()},
        "ratio_spread": found,
        "us_per_example": {name: spread(times, 3) for name, times in rounds.items()},
    }


def _contenders(
    learned: Examples, few: Examples, folder: Path, seed: int
) -> dict[str, tuple[int, Callable[[], Callable[[], object]]]]:
    """Return, by name, the examples of a round, and what prepares a new contender and returns the timed work."""
    count, rows = len(learned.targets), dicts(few)
    frame, dict_rows = _frame(learned), dicts(learned)[: len(rows)]
    found: dict[str, tuple[int, Callable[[], Callable[[], object]]]] = {
        "ours": (count, lambda: _call(_started(learned, seed).learn_fields, learned.fields, learned.targets)),
        "ours_frame_of_strings": (count, lambda: _call(_ours(seed).learn_many, frame, pd.Series(learned.targets))),
        "ours_one_by_one": (len(rows), lambda: _each(_ours(seed).learn_one, dict_rows, few.targets.tolist())),
        "river": (len(rows), lambda: _each(_river(seed).learn_one, rows, few.targets.tolist())),
    }
    if importlib.util.find_spec("vowpalwabbit") is None:
        return found
    text = lines(learned)
    whole, empty = folder / "examples.txt", folder / "one.txt"
    whole.write_text("\n".join(text) + "\n", encoding="ascii")
    empty.write_text(text[0] + "\n", encoding="ascii")
    width = learned.fields.shape[1]
    return found | {
        "vw_file": (count, lambda: _call(_wabbit_file, width, whole)),
        "vw_start": (count, lambda: _call(_wabbit_file, width, empty)),
        "vw_lines": (count, lambda: _wabbit_lines(width, text)),
    }


def _ours(seed: int) -> FactorizationMachine:
    rate = optim.SGD(RATE)
    return FactorizationMachine(FACTORS, rate, optim.SGD(RATE), scale=False, seed=seed)


def _started(made: Examples, seed: int) -> FactorizationMachine:
    model = _ours(seed)
    model.learn_fields(made.fields[:1], made.targets[:1])  # allocates and draws all rows
    return model


def _river(seed: int) -> facto.FMRegressor:
    return facto.FMRegressor(FACTORS, optim.SGD(RATE), optim.SGD(RATE), clip_gradient=10.0, seed=seed)


def _call(function: Callable[..., object], *arguments: Any) -> Callable[[], object]:
    return lambda: function(*arguments)


def _each(learn: Callable[..., object], rows: list[dict[str, str]], targets: list[float]) -> Callable[[], object]:
    def work() -> None:
        for x, y in zip(rows, targets, strict=True):
            learn(x, y)

    return work


def _wabbit(width: int, more: str = "") -> Any:
    import vowpalwabbit

    # Hashed names: the latent weights of numbered ones would lie on top of each other.
    pairs = " ".join(f"--lrq {a}{b}{FACTORS}" for a, b in itertools.combinations(NAMESPACES[:width], 2))
    return vowpalwabbit.Workspace(f"{pairs} --hash all --sgd -l {RATE} --power_t 0 -b {BITS} --quiet {more}")


def _wabbit_file(width: int, path: Path) -> Any:
    made = _wabbit(width, f"-d {path}")  # reads the whole file before it returns
    made.finish()
    return made


def _wabbit_lines(width: int, text: list[str]) -> Callable[[], object]:
    made = _wabbit(width)

    def work() -> None:
        for line in text:
            made.learn(line)

    return work


def _errors(learned: Examples, later: Examples, seed: int) -> dict[str, float]:
    """Measure errors on the next 5,000 examples, to show that all learned the same. `mean` predicts the mean."""
    ours = _ours(seed)
    ours.learn_fields(learned.fields, learned.targets)
    guesses = {"mean": np.full(len(later.targets), learned.targets.mean()), "ours": ours.predict_fields(later.fields)}
    if importlib.util.find_spec("vowpalwabbit") is not None:
        made = _wabbit(learned.fields.shape[1])
        for line in lines(learned):
            made.learn(line)
        unlabelled = (line[line.index("|") :] for line in lines(later))
        guesses["vw"] = np.array([made.predict(line) for line in unlabelled])
        made.finish()
    return {name: round(float(((guess - later.targets) ** 2).mean()), 4) for name, guess in guesses.items()}


def examples(count: int) -> Examples:
    """Take the last purchases of the demo's data; the target is the logarithm of one plus the price."""
    bought = purchases(count, 1.7e9)
    facts = [bought.facts.get(item, {}) for item in bought.item]
    last: dict[str, str] = {}
    before = []
    for user, item in zip(bought.user, bought.item, strict=True):
        before.append(last.get(user, ""))
        last[user] = item
    columns = (
        bought.user,
        bought.item,
        [fact.get("category", "") for fact in facts],
        [fact.get("brand", "") for fact in facts],
        before,
        [int(stamp // 3600) % 168 for stamp in bought.timestamp],
    )
    codes = [np.unique(np.array(column), return_inverse=True)[1] for column in columns]
    return Examples(np.stack(codes, axis=1).astype(np.int64), np.log1p(np.array(bought.price)))


def dicts(made: Examples) -> list[dict[str, str]]:
    """Write examples as River takes them: it one-hot encodes strings."""
    names = FIELDS[: made.fields.shape[1]]
    return [dict(zip(names, map(str, row), strict=True)) for row in made.fields.tolist()]


def lines(made: Examples) -> list[str]:
    """Write examples as Vowpal Wabbit takes them: a namespace per field."""
    return [
        f"{target:.6f} " + " ".join(f"|{space} {value}" for space, value in zip(NAMESPACES, row, strict=False))
        for row, target in zip(made.fields.tolist(), made.targets.tolist(), strict=True)
    ]


def _frame(made: Examples) -> pd.DataFrame:
    return pd.DataFrame({name: column.astype(str) for name, column in zip(FIELDS, made.fields.T, strict=False)})


def _after(made: Examples, count: int) -> Examples:
    return Examples(made.fields[count:], made.targets[count:])


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """Pin all threads of this process to the last core that it may use."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)
