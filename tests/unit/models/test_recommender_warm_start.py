"""Vectors and counts that a shop already has: which are refused, and how a state starts from the others."""

from __future__ import annotations

import numpy as np
import pytest

from models import dimensions as dim
from models.recommender.recommender import Recommender, new_state
from models.recommender.types import RecommenderOptions
from models.recommender.warm_start import ImportRefusedError, Knowledge, check, enlist_categories, fitted, take
from models.records.items import ItemFacts
from streaming.jobs.import_model import read

NOW = 1_700_000_000
SMALL = RecommenderOptions(items=500, users=50, categories=20, brands=20)


class Event:
    kind, price = 0, None

    def __init__(self, user: str, item: str, at: float) -> None:
        self.user_id, self.item_id, self.timestamp = user, item, at


def pairs(count=60, width=dim.FACTORS):
    """Items in pairs: 2n and 2n+1 have nearly the same vector, unlike that of any other item."""
    rng = np.random.default_rng(3)
    middle = rng.normal(size=(count // 2, width))
    vectors = np.repeat(middle, 2, axis=0) + 0.05 * rng.normal(size=(count, width))
    return [f"item{at}" for at in range(count)], 7.0 * vectors


def test_the_machine_orders_by_imported_vectors_before_any_event():
    ids, vectors = pairs()
    recommender = Recommender(new_state(SMALL), SMALL)
    outcome = take(recommender.state, Knowledge(ids, vectors, None), NOW)
    assert (outcome.items, outcome.new, outcome.vectors, outcome.counts, outcome.kept) == (60, 60, 60, 0, 1.0)
    for at in (0, 11, 58):
        ranking = recommender.rank([ids[at]], [NOW], [0], NOW + 5.0, 20, by="machine")
        others = [item for item in ranking.items if item != ids[at]]
        assert others[0] == ids[at ^ 1]


def test_the_first_event_of_an_item_leaves_its_vector_where_it_was_imported():
    ids, vectors = pairs()
    recommender = Recommender(new_state(SMALL), SMALL)
    take(recommender.state, Knowledge(ids, vectors, None), NOW)
    row = recommender.state.keys["item"].rows[ids[4]]
    before = recommender.state.tables["item_factors"].columns["q"][row].copy()
    recommender.learn_events([Event("anna", ids[4], NOW + 1.0)], [NOW + 1.0])
    after = recommender.state.tables["item_factors"].columns["q"][row]
    assert after @ before / np.linalg.norm(after) / np.linalg.norm(before) > 0.99
    assert recommender.state.tables["item_stats"].columns["events"][row] == 1


def test_imported_counts_are_popularity_until_events_say_otherwise():
    ids = [f"item{at}" for at in range(100)]
    counts = np.arange(100)
    recommender = Recommender(new_state(SMALL), SMALL)
    take(recommender.state, Knowledge(ids, None, counts), NOW)
    assert recommender.popular(5).items == ["item99", "item98", "item97", "item96", "item95"]
    assert "item0" not in recommender.popular(100).items  # never bought
    assert recommender.rank([], [], [], NOW + 1.0, 3, by="popularity_long").items == ["item99", "item98", "item97"]
    shares = np.exp(recommender.popular(40).scores.astype(float))
    assert shares[0] / shares[39] == pytest.approx(99 / 60, rel=1e-3)
    events = [Event(f"user{at}", "item3", NOW + at) for at in range(3000)]
    recommender.learn_events(events, [event.timestamp for event in events])
    assert recommender.popular(1).items == ["item3"]


def test_counts_weigh_no_more_than_the_events_a_half_life_remembers():
    recommender = Recommender(new_state(SMALL), SMALL)
    take(recommender.state, Knowledge(["a", "b"], None, np.array([9e12, 1e12])), NOW)
    keys = np.exp(recommender.state.tables["item_stats"].columns["key"][:2])
    assert keys.sum(axis=0) == pytest.approx(np.array(dim.HALF_LIVES) / np.log(2))
    few = Recommender(new_state(SMALL), SMALL)
    take(few.state, Knowledge(["a"], None, np.array([3])), NOW)
    assert np.exp(few.state.tables["item_stats"].columns["key"][0]) == pytest.approx([3, 3, 3])


def test_imported_items_are_in_the_lists_of_their_categories():
    ids = [f"item{at}" for at in range(60)]
    recommender = Recommender(new_state(SMALL), SMALL)
    take(recommender.state, Knowledge(ids, None, np.arange(60) + 1), NOW)
    recommender.describe((item, ItemFacts(category="odd" if at % 2 else "even")) for at, item in enumerate(ids))
    enlist_categories(recommender.state, ids)
    assert recommender.popular(3, "even").items == ["item58", "item56", "item54"]
    assert recommender.popular(3, "odd").items == ["item59", "item57", "item55"]


def test_beyond_the_ceiling_the_most_popular_get_the_rows():
    few = RecommenderOptions(items=10, users=5, categories=5, brands=5)
    state = new_state(few)
    outcome = take(state, Knowledge([f"item{at}" for at in range(30)], None, np.arange(30)), NOW)
    assert (outcome.items, outcome.left_out) == (10, 20)
    assert set(state.keys["item"].rows) == {f"item{at}" for at in range(20, 30)}


def test_importing_twice_replaces_vectors_and_changes_only_what_is_in_the_file():
    ids, vectors = pairs()
    state = new_state(SMALL)
    take(state, Knowledge(ids, vectors, None), NOW)
    untouched = state.tables["item_factors"].columns["q"][10:60].copy()
    again = take(state, Knowledge(ids[:10], vectors[10:20], None), NOW)
    assert (again.items, again.new) == (10, 0)
    assert state.tables["item_factors"].columns["q"][10:60].tobytes() == untouched.tobytes()


@pytest.mark.parametrize("width", [8, 31, 64, 300])
def test_vectors_of_another_width_keep_the_inner_products_that_fit(width):
    rng = np.random.default_rng(width)
    low = rng.normal(size=(200, min(width, 20))) @ rng.normal(size=(min(width, 20), width))
    made, kept = fitted(low)
    assert made.shape == (200, dim.FACTORS)
    assert kept == pytest.approx(1.0)  # they had no more than 20 directions
    assert np.corrcoef((low @ low.T).ravel(), (made @ made.T).ravel())[0, 1] > 0.99999
    assert np.sqrt((made**2).sum(axis=1).mean()) == pytest.approx(1.0, rel=1e-5)
    assert fitted(low)[0].tobytes() == made.tobytes()


@pytest.mark.parametrize(
    ("knowledge", "complaint"),
    [
        (Knowledge([], None, None), "no items"),
        (Knowledge(["a"], None, None), "neither vectors nor counts"),
        (Knowledge(["a", "a"], None, np.ones(2)), "'a' comes twice"),
        (Knowledge(["a\n"], None, np.ones(1)), "without control characters"),
        (Knowledge([""], None, np.ones(1)), "1 to 256 characters"),
        (Knowledge(["a"], np.ones((2, 32)), None), r"shape \(2, 32\): must be numbers of shape \(1, 32\)"),
        (Knowledge(["a"], np.ones((1, 16)), None), "16 numbers each, the model has 32"),
        (Knowledge(["a"], np.full((1, 32), np.nan), None), "NaN"),
        (Knowledge(["a"], np.zeros((1, 32)), None), "all vectors are zero"),
        (Knowledge(["a"], None, np.array([-1])), "not negative"),
        (Knowledge(["a"], None, np.ones(2)), "must be 1 numbers"),
        (Knowledge(["a"], None, np.array(["x"])), "counts are <U1"),
    ],
)
def test_unusable_knowledge_is_refused_by_name(knowledge, complaint):
    with pytest.raises(ImportRefusedError, match=complaint):
        check(knowledge, project=False)


def test_files_are_read_by_the_names_of_their_parts(tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    ids, vectors = pairs(10)
    np.savez(tmp_path / "a.npz", ids=np.array(ids), vectors=vectors, counts=np.arange(10))
    table = pa.table({"item_id": ids, "embedding": vectors.tolist(), "count": list(range(10)), "colour": ["red"] * 10})
    parquet.write_table(table, tmp_path / "a.parquet")
    for name in ("a.npz", "a.parquet"):
        found = read(tmp_path / name)
        assert found.ids == ids
        assert found.vectors == pytest.approx(vectors)
        assert found.counts.tolist() == list(range(10))


def test_a_file_that_would_have_to_be_unpickled_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "executed"), "w"))

    np.savez(tmp_path / "evil.npz", ids=np.array([Evil()], object), counts=np.ones(1))
    with pytest.raises(ImportRefusedError, match="Objects are never read"):
        read(tmp_path / "evil.npz")
    assert not (tmp_path / "executed").exists()


def test_files_of_other_kinds_and_names_say_what_would_be_right(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n")
    (tmp_path / "b.npz").write_text("no zip")
    np.savez(tmp_path / "c.npz", names=np.array(["a"]))
    np.savez(tmp_path / "d.npz", ids=np.array(["a"]), colours=np.array(["red"]))
    for name, complaint in (
        ("a.csv", "must end in"),
        ("b.npz", "write it with numpy.savez"),
        ("c.npz", "must be called 'ids'"),
        ("d.npz", "call vectors 'vectors'"),
    ):
        with pytest.raises(ImportRefusedError, match=complaint):
            read(tmp_path / name)
