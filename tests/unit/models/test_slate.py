"""What is shown: order, fallbacks and filters as properties over arbitrary stages."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.slate.slate import Candidate, Shown, compose, seen

IDS = st.sampled_from([f"i{number}" for number in range(12)])
SCORES = st.integers(-3, 3).map(float) | st.floats(-1e6, 1e6)


@st.composite
def stages(draw: st.DrawFn) -> list[list[Candidate]]:
    drawn = []
    for name in ("ranked", "category", "popular")[: draw(st.integers(0, 3))]:
        ids = draw(st.lists(IDS, unique=True, max_size=12))
        scores = sorted(draw(st.lists(SCORES, min_size=len(ids), max_size=len(ids))), reverse=True)
        drawn.append([Candidate(item, score, name) for item, score in zip(ids, scores, strict=True)])
    return drawn


def only(allowed: set[str]) -> Callable[[str], bool]:
    return allowed.__contains__


@given(stages(), st.integers(1, 15), st.sets(IDS))
def test_a_page_holds_as_many_allowed_items_as_there_are_each_once(
    given_stages: list[list[Candidate]], n: int, allowed: set[str]
) -> None:
    page = compose(given_stages, n, only(allowed))
    matching = {candidate.item_id for stage in given_stages for candidate in stage} & allowed
    assert len(page) == min(n, len(matching))
    assert {shown.item_id for shown in page} <= matching
    assert len({shown.item_id for shown in page}) == len(page)


@given(stages(), st.integers(1, 15))
def test_ranks_count_up_and_scores_never_rise_down_the_page(given_stages: list[list[Candidate]], n: int) -> None:
    page = compose(given_stages, n, lambda _: True)
    assert [shown.rank for shown in page] == list(range(1, len(page) + 1))
    scores = [shown.score for shown in page]
    assert scores == sorted(scores, reverse=True)


@given(stages(), st.integers(1, 15))
def test_no_fallback_stands_before_an_item_of_an_earlier_stage(given_stages: list[list[Candidate]], n: int) -> None:
    order = ["ranked", "category", "popular"]
    places = [order.index(shown.source) for shown in compose(given_stages, n, lambda _: True)]
    assert places == sorted(places)


@given(stages(), st.integers(1, 15))
def test_a_shorter_page_is_the_head_of_a_longer_one(given_stages: list[list[Candidate]], n: int) -> None:
    assert compose(given_stages, n, lambda _: True) == compose(given_stages, n + 3, lambda _: True)[:n]


def test_equal_scores_are_ordered_by_item_id() -> None:
    stage = [Candidate("b", 2.0, "x"), Candidate("d", 1.0, "x"), Candidate("a", 1.0, "x"), Candidate("c", 1.0, "x")]
    assert [shown.item_id for shown in compose([stage], 4, lambda _: True)] == ["b", "a", "c", "d"]


def test_a_ranked_score_is_shown_as_it_is() -> None:
    assert compose([[Candidate("a", 2.5, "x")]], 1, lambda _: True) == [Shown("a", 2.5, 1, "x")]


def test_later_stages_are_not_read_when_the_page_is_full() -> None:
    def never() -> list[Candidate]:
        pytest.fail("a fallback was read for a full page")

    def given_stages() -> object:
        yield [Candidate("a", 1.0, "x"), Candidate("b", 0.5, "x")]
        yield never()

    assert len(compose(given_stages(), 2, lambda _: True)) == 2  # type: ignore[arg-type]


def test_seen_items_are_left_out_as_asked() -> None:
    items, kinds = ["tea", "mug", "pot", "mug"], [0, 3, 1, 0]
    assert seen(items, kinds, "none") == set()
    assert seen(items, kinds, "purchased") == {"mug"}
    assert seen(items, kinds, "all") == {"tea", "mug", "pot"}
