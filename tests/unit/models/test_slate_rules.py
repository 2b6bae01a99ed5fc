"""The rules of a page as properties over arbitrary pools: diversity, pins, boosts, rotation, exploration."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.features import EXPLAINED_NAMES
from models.records.items import ItemFacts
from models.slate import vocabulary
from models.slate.arrangement import MOST_DIVERSE, Place, Wishes, arrange, spread
from models.slate.filters import Wanted
from models.slate.rotation import HALF_LIFE, Showing, Showings, exposures, impression, merged, page, spreads, united
from models.slate.similarity import alike, traits
from models.slate.slate import Candidate, arranged, compose

SCORES = st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=30).map(lambda drawn: sorted(drawn, reverse=True))


@st.composite
def pages(draw: st.DrawFn, **fixed: Any) -> tuple[np.ndarray, Wishes, np.ndarray, np.ndarray]:
    """Scores, wishes, likeness and penalties of one pool."""
    scores = np.array(draw(SCORES))
    m = len(scores)
    n = draw(st.integers(1, 12))
    chosen = draw(st.lists(st.integers(0, m - 1), unique=True, max_size=4))
    places = draw(st.lists(st.integers(1, 15), unique=True, min_size=len(chosen), max_size=len(chosen)))
    wishes = Wishes(
        n,
        diversity=draw(st.sampled_from([0.0, 0.3, 1.0])),
        pinned=dict(zip(places, chosen, strict=True)),
        boosted=np.array(draw(st.lists(st.booleans(), min_size=m, max_size=m))),
        share=draw(st.sampled_from([0.0, 0.2, 0.5, 1.0])),
        rotate=draw(st.sampled_from([0.0, 0.5])),
        explore=draw(st.sampled_from([0.0, 0.3])),
    )._replace(**fixed)
    vectors = np.array(draw(st.lists(st.floats(0, 1), min_size=m, max_size=m)))
    likeness = 1.0 - np.abs(vectors[:, None] - vectors[None, :])
    penalty = np.array(draw(st.lists(st.floats(0, 3), min_size=m, max_size=m)))
    return scores, wishes, likeness, penalty


def made(page: tuple[np.ndarray, Wishes, np.ndarray, np.ndarray], seed: int = 5) -> list[Place]:
    scores, wishes, likeness, penalty = page
    return arrange(scores, wishes, likeness, penalty, np.random.default_rng(seed))


@given(pages())
def test_a_page_is_as_long_as_it_can_be_and_holds_each_candidate_once(page: Any) -> None:
    scores, wishes, *_ = page
    places = made(page)
    assert len(places) == min(wishes.n, len(scores))
    assert len({place.at for place in places}) == len(places)


@given(pages())
def test_a_shown_score_is_what_the_candidate_had_plus_what_rules_added_and_never_rises(page: Any) -> None:
    scores = page[0]
    places = made(page)
    for place in places:
        assert place.score == pytest.approx(scores[place.at] + sum(a.value for a in place.adjustments), abs=1e-9)
    shown = [place.score for place in places]
    assert shown == sorted(shown, reverse=True)


@given(pages())
def test_a_pinned_item_stands_at_its_place_while_others_fill_those_above_it(page: Any) -> None:
    scores, wishes, *_ = page
    order = [place.at for place in made(page)]
    others = len(scores) - len(wishes.pinned)
    for before, (place, at) in enumerate(sorted(wishes.pinned.items())):
        if place <= wishes.n and place - 1 - before <= others:
            assert order[place - 1] == at
    if len(order) < wishes.n:
        assert set(wishes.pinned.values()) <= set(order)


@given(pages(pinned={}))
def test_of_the_first_k_places_the_stated_share_is_boosted_while_boosted_items_are_left(page: Any) -> None:
    _, wishes, *_ = page
    flags = [bool(wishes.boosted[place.at]) for place in made(page)]
    available = int(wishes.boosted.sum())
    for k in range(1, len(flags) + 1):
        assert sum(flags[:k]) >= min(int(wishes.share * k + 1e-9), available)


@given(pages(pinned={}, share=0.0, explore=0.0, diversity=0.0, rotate=0.0))
def test_without_wishes_the_order_is_that_of_the_scores_and_nothing_is_added(page: Any) -> None:
    places = made(page)
    assert [place.at for place in places] == list(range(len(places)))
    assert all(place.adjustments == () and place.propensity == 1.0 for place in places)


def naive_mmr(scores: np.ndarray, likeness: np.ndarray, n: int, d: float) -> list[int]:
    """Carbonell and Goldstein's formula as it is printed, over scores divided by their spread."""
    chosen: list[int] = []
    relevance = scores / spread(scores)
    while len(chosen) < min(n, len(scores)):
        rest = [at for at in range(len(scores)) if at not in chosen]
        marginal = [
            (1 - d) * relevance[at] - d * max((likeness[at, other] for other in chosen), default=0.0) for at in rest
        ]
        chosen.append(rest[int(np.argmax(np.round(marginal, 9)))])
    return chosen


def test_diversity_is_maximal_marginal_relevance() -> None:
    random = np.random.default_rng(11)
    for _ in range(50):
        scores = np.sort(random.normal(0, 3, 15))[::-1]
        points = random.random((15, 3))
        likeness = 1 / (1 + np.linalg.norm(points[:, None] - points[None], axis=2))
        d = float(random.choice([0.2, 0.5, 0.8, 0.99]))
        places = arrange(scores, Wishes(8, diversity=d), likeness)
        assert [place.at for place in places] == naive_mmr(scores, likeness, 8, d)


def test_the_most_diverse_page_takes_one_of_each_kind_before_a_second_of_any() -> None:
    kinds = np.array([0, 0, 0, 0, 1, 1, 2])
    likeness = (kinds[:, None] == kinds[None, :]).astype(float)
    scores = np.array([7.0, 6.9, 6.8, 6.7, 2.0, 1.9, 1.0])
    shown = [place.at for place in arrange(scores, Wishes(3, diversity=1.0), likeness)]
    assert sorted(kinds[shown]) == [0, 1, 2]
    assert [place.at for place in arrange(scores, Wishes(3), likeness)] == [0, 1, 2]
    assert MOST_DIVERSE < 1


def test_propensities_are_the_chances_with_which_pages_come() -> None:
    scores, n, drawn = np.array([2.0, 1.0, 0.5, 0.0]), 2, 20_000
    wishes = Wishes(n, explore=0.5)
    pages_seen: dict[tuple[int, ...], int] = {}
    chances: dict[tuple[int, ...], float] = {}
    random = np.random.default_rng(3)
    for _ in range(drawn):
        places = arrange(scores, wishes, None, None, random)
        page = tuple(place.at for place in places)
        pages_seen[page] = pages_seen.get(page, 0) + 1
        chances[page] = float(np.prod([place.propensity for place in places]))
    assert sum(chances.values()) == pytest.approx(1.0, abs=1e-6)
    for page, chance in chances.items():
        deviation = (chance * (1 - chance) / drawn) ** 0.5
        assert abs(pages_seen[page] / drawn - chance) < 5 * deviation + 1e-3


def test_propensities_are_those_of_plackett_and_luce() -> None:
    scores = np.array([2.0, 1.0, 0.0])
    places = arrange(scores, Wishes(3, explore=0.5), None, None, np.random.default_rng(9))
    heat, rest = 0.5 * spread(scores), {0, 1, 2}
    for place in places:
        expected = np.exp(scores[place.at] / heat) / sum(np.exp(scores[at] / heat) for at in rest)
        assert place.propensity == pytest.approx(expected)
        rest.remove(place.at)


@given(pages(explore=0.3), st.integers(0, 99))
def test_the_same_seed_draws_the_same_page_and_no_chance_is_zero(page: Any, seed: int) -> None:
    first = made(page, seed)
    assert first == made(page, seed)
    assert all(0 < place.propensity <= 1 for place in first)


def test_rotation_takes_off_what_the_formula_says() -> None:
    scores = np.array([4.0, 3.0, 2.0])
    places = arrange(scores, Wishes(3, rotate=0.5), None, spreads(np.array([3.0, 0.0, 0.0])))
    assert [(place.at, place.score) for place in places] == [(1, 3.0), (0, 2.0), (2, 2.0)]


def test_what_was_shown_and_left_alone_counts_and_halves_every_hour() -> None:
    showings = Showings()
    showings.add("ann", page("5f", ["tea", "mug"], 1000.0))
    showings.add("ann", impression("5f", "tea", 1000.0))

    def counted(touched: dict[str, float], later: float) -> list[float]:
        return list(exposures(showings.of("ann"), ["tea", "mug", "pot"], touched, 1000.0 + later))

    assert counted({}, 0.0) == [1.0, 0.5, 0.0]
    assert counted({}, HALF_LIFE) == [0.5, 0.25, 0.0]
    assert counted({"tea": 1001.0, "mug": 999.0}, 0.0) == [0.0, 0.5, 0.0]
    assert showings.of("ben") == []
    showings.forget("ann")
    assert counted({}, 0.0) == [0.0, 0.0, 0.0]


TELLINGS = st.lists(
    st.one_of(
        st.builds(page, st.sampled_from(["1", "2"]), st.just(["tea", "mug"]), st.just(5.0)),
        st.builds(
            impression, st.sampled_from(["1", "2", "3"]), st.sampled_from(["tea", "mug"]), st.sampled_from([6.0, 7.0])
        ),
    ),
    max_size=8,
)


@given(TELLINGS, st.randoms(use_true_random=False))
def test_however_often_and_in_whatever_order_a_showing_is_told_it_counts_once(told: list[Showing], random: Any) -> None:
    def remembered(tellings: list[Showing]) -> dict[str, float]:
        showings = Showings()
        for each in tellings:
            showings.add("ann", each)
        items = ["tea", "mug"]
        return dict(zip(items, exposures(showings.of("ann"), items, {}, 8.0), strict=True))

    again = [*told, *told]
    random.shuffle(again)
    assert remembered(again) == pytest.approx(remembered(told))


def test_two_memories_count_a_request_once_and_know_what_either_knows() -> None:
    mine = [page("1", ["tea"], 10.0), page("2", ["mug"], 20.0)]
    stored = [merged(page("1", ["tea"], 10.0), impression("1", "tea", 11.0)), page("0", ["pot"], 5.0)]
    assert exposures(united(mine, stored), ["tea", "mug", "pot"], {}, 20.0) == pytest.approx([1.0, 0.5, 0.5], rel=0.01)


def test_an_impression_of_what_did_not_stand_on_its_page_says_nothing() -> None:
    assert merged(page("1", ["tea"], 10.0), impression("1", "pot", 11.0)) == page("1", ["tea"], 10.0)


def test_each_impression_without_a_request_counts() -> None:
    showings = Showings()
    for then in (10.0, 11.0):
        showings.add("ann", impression(None, "tea", then))
    assert exposures(showings.of("ann"), ["tea"], {}, 11.0) == pytest.approx([1.0], rel=0.01)


def test_what_happened_to_an_item_between_two_showings_ends_the_first_alone() -> None:
    shown = [page("1", ["tea"], 10.0), page("2", ["tea"], 20.0)]
    assert list(exposures(shown, ["tea"], {"tea": 15.0}, 20.0)) == [0.5]


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 9), st.lists(st.integers(0, 30), max_size=8)), max_size=60))
def test_what_is_remembered_of_showings_is_bounded(told: list[tuple[int, list[int]]]) -> None:
    showings = Showings(entries=25, per_user=6)
    for now, (user, items) in enumerate(told):
        showings.add(f"u{user}", page(f"r{now}", [f"i{item}" for item in items], float(now)))
        assert len(showings) <= 25
        assert sum(len(showing.items) for showing in showings.of(f"u{user}")) <= 6
    if told:
        assert f"u{told[-1][0]}" in showings


FACTS = st.builds(
    ItemFacts,
    category=st.sampled_from([None, "a", "b"]),
    brand=st.sampled_from([None, "x", "y"]),
    price=st.sampled_from([None, 0.0, 1.0, 2.5, 10.0]),
    tags=st.lists(st.sampled_from("rst"), unique=True, max_size=3).map(tuple),
)


@given(st.lists(st.none() | FACTS, min_size=1, max_size=12), st.booleans(), st.integers(0, 9))
def test_likeness_is_between_0_and_1_and_the_same_both_ways(facts: list[Any], learnt: bool, seed: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(len(facts), 4)) * learnt
    pool = traits(vectors, facts)
    table = alike(pool)
    assert ((table >= 0) & (table <= 1)).all()
    assert np.allclose(table, table.T)
    for at, each in enumerate(facts):
        known = learnt or (each is not None and bool(each.category or each.brand or each.tags))
        assert table[at, at] == pytest.approx(1.0 if known else 0.0)


def test_likeness_is_the_mean_of_learnt_vectors_and_of_what_the_shop_says() -> None:
    vectors = np.array([[2.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    facts = [
        ItemFacts(category="tea", brand="B", tags=("green", "loose")),
        ItemFacts(category="tea", brand="C", tags=("green",)),
        ItemFacts(category="tea"),
    ]
    said = (1 + 0 + 1 / 2) / 3
    assert alike(traits(vectors, facts))[0] == pytest.approx([1.0, (np.sqrt(0.5) + said) / 2, 1.0])


@given(FACTS, st.sampled_from([None, "a"]), st.sets(st.sampled_from("rs")), st.sets(st.sampled_from("rst")))
def test_a_filter_asks_for_category_all_tags_one_of_the_tags_and_a_price(
    facts: ItemFacts, category: str | None, every: set[str], some: set[str]
) -> None:
    wanted = Wanted(category, frozenset(every), frozenset(some), 1.0, 5.0)
    expected = (
        (category is None or facts.category == category)
        and all(tag in facts.tags for tag in every)
        and (not some or any(tag in facts.tags for tag in some))
        and facts.price is not None
        and 1.0 <= facts.price <= 5.0
    )
    assert wanted.matches(facts) == expected
    assert not wanted.anything
    assert Wanted().matches(None)


def test_a_page_of_wishes_names_rules_that_have_words_and_keeps_what_compose_added() -> None:
    pool = compose([[Candidate("a", 3.0, "ranker")], [Candidate("b", 9.0, "popular")]], 5, lambda _: True)
    page = arranged(pool, Wishes(2, pinned={1: 1}))
    assert [(shown.item_id, shown.score, shown.rank) for shown in page] == [("b", 3.0, 1), ("a", 3.0, 2)]
    assert [adjustment.rule for adjustment in page[0].adjustments] == ["behind"]
    rules = {"rotation", "diversity", "boost", "pinned", "explore", "order", "behind", "guard", "rounding"}
    assert rules <= set(vocabulary.RULES)


def test_every_feature_of_the_ranker_has_words_for_people() -> None:
    assert [name for name in EXPLAINED_NAMES if name not in vocabulary.FEATURES] == []
    assert set(vocabulary.FEATURES) <= set(EXPLAINED_NAMES)
    assert len(set(vocabulary.FEATURES.values())) == len(vocabulary.FEATURES)
