"""The networks see no later item and no padding; losses and rows equal slow twins; a fit can be repeated to the bit."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from models.evaluation import networks  # noqa: E402
from models.evaluation.networks import LENGTH, NETWORKS, RECIPES, batches, bpr_max, fit, scores_of, settled  # noqa: E402


def made(name, items=30, seed=1):
    with settled(seed):
        network = NETWORKS[name](RECIPES[name])
        network.grow(items)
    return network.eval()


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_a_changed_later_item_changes_no_earlier_prediction_and_padding_changes_nothing(name) -> None:
    network, rng = made(name), np.random.default_rng(1)
    rows = torch.from_numpy(rng.integers(0, 30, (4, LENGTH)))
    with torch.no_grad():
        before = network(rows)
        for place in (1, 20, LENGTH - 1):
            changed = rows.clone()
            changed[:, place] = (changed[:, place] + 1) % 30
            after = network(changed)
            assert torch.equal(after[:, :place], before[:, :place])
            assert not torch.allclose(after[:, place], before[:, place])
        short = network(rows[:, :7])
    assert torch.allclose(short, before[:, :7], atol=1e-6)


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_items_are_scored_by_the_vector_they_are_read_by_and_new_ones_change_no_old_score(name) -> None:
    network = made(name)
    before = scores_of(network, [3, 1, 4])
    kept = network.vectors.detach().clone()
    with settled(2):
        network.grow(45)
    after = scores_of(network, [3, 1, 4])
    assert (len(before), len(after)) == (30, 45)
    assert after[:30] == pytest.approx(before, abs=1e-6)
    assert torch.equal(network.vectors[:30], kept)


def histories(count=40, items=30, longest=130, seed=3):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, items, int(rng.integers(2, longest))) for _ in range(count)]


def test_rows_hold_every_step_of_every_history_once_and_fit_into_a_network() -> None:
    given = [np.arange(1000 * at, 1000 * at + len(each)) for at, each in enumerate(histories())]
    cuts = set()
    for turn in range(5):
        found = batches(given, 256, np.random.default_rng(turn))
        steps = [(int(now), int(then)) for rows in found for row in rows for now, then in pairwise(row) if then >= 0]
        assert sorted(steps) == [(int(now), int(now) + 1) for each in given for now in each[:-1]]
        assert max(rows.shape[1] for rows in found) <= LENGTH + 1
        assert max(rows.shape[0] * (rows.shape[1] - 1) for rows in found) <= 256
        cuts.add(frozenset(int(row[0]) for rows in found for row in rows))
    assert len(cuts) == 5, "histories are cut elsewhere in each pass"


def test_bpr_max_equals_its_slow_twin() -> None:
    rng = np.random.default_rng(4)
    scores, places = rng.normal(size=(6, 9)), rng.integers(0, 9, 6)
    total = 0.0
    for row, wanted in zip(scores, places, strict=True):
        others = [value for place, value in enumerate(row) if place != wanted]
        weights = np.exp(others) / np.exp(others).sum()
        ahead = sum(w / (1 + np.exp(value - row[wanted])) for w, value in zip(weights, others, strict=True))
        size = sum(w * value**2 for w, value in zip(weights, others, strict=True))
        total += -np.log(ahead) + networks.REGULARIZED * size
    found = bpr_max(torch.from_numpy(scores), torch.from_numpy(places))
    assert float(found) == pytest.approx(total / 6, rel=1e-9)


@pytest.mark.parametrize("name", sorted(NETWORKS))
@pytest.mark.parametrize("whole", [2_048, 12], ids=["all items", "drawn items"])
def test_a_fit_can_be_repeated_to_the_bit_and_touches_no_setting_of_pytorch(monkeypatch, name, whole) -> None:
    monkeypatch.setattr(networks, "WHOLE", whole)
    given = histories()
    counts = np.bincount(np.concatenate(given)).astype(float)

    def fitted(seed):
        network = made(name)
        with settled(seed):
            learned = fit(network, given, counts, RECIPES[name], 2, np.random.default_rng(seed), [].append)
        assert learned == 2 * sum(len(each) - 1 for each in given)
        return scores_of(network, [1, 2, 3])

    torch.manual_seed(7)
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), torch.get_rng_state()
    first, again, other = fitted(1), fitted(1), fitted(2)
    after = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), torch.get_rng_state()
    assert first.tolist() == again.tolist()
    assert not np.allclose(first, other)
    assert before[:2] == after[:2]
    assert torch.equal(before[2], after[2])


def test_a_fit_ends_with_the_pass_that_reaches_its_budget() -> None:
    given, told = histories(), []
    counts = np.bincount(np.concatenate(given)).astype(float)
    steps = sum(len(each) - 1 for each in given)
    recipe = RECIPES["gru4rec"].__class__("cross_entropy", 8, 1, 0.0, 1e-3, 9, 9, steps + 1, 256)
    with settled(1):
        network = networks.Gru4Rec(recipe)
        network.grow(30)
        assert fit(network, given, counts, recipe, 9, np.random.default_rng(1), told.append) == 2 * steps
    assert told == ["pass 1 of up to 9", "pass 2 of up to 9"]
