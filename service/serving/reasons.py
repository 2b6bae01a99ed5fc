"""Says of each item of a page, in a sentence with values, why it is there. Stage 7.

A sentence tells one true thing: that the user did something with the item, what it is bought or looked at with, or that
it is new, trending or popular. The names of features and sources are in none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from models.arrays import Array
from models.recommender import BOUGHT_TOGETHER, TRENDING, ReadableState, near, partners
from models.records import PURCHASE
from models.slate import Shown
from service.serving.candidate_pool import REQUESTED
from service.serving.messages import Messages
from service.serving.page import Page
from service.serving.visit import View, Visit

OWN: Final = ("own_click", "own_favourite", "own_cart", "own_purchase")
"""Sentence of what a user did with an item, by code of the event type."""

LATELY: Final = 10
"""Newest items of a history of which a sentence may speak: those that the window of the model looks at."""

ORDERS: Final = 2.0
"""Orders that two items must share before a page that is not about orders says so."""

BY_MODEL: Final = frozenset({"machine", "linear", "ranker"})
NEAR: Final = frozenset({"window", "cosine"})


class Reason(NamedTuple):
    """A sentence by its name, and its values by theirs; `seconds` says how long ago something was."""

    name: str
    item: str = ""
    category: str = ""
    query: str = ""
    times: str = ""
    seconds: float = 0.0


def reasons(view: View, visit: Visit, page: Page, messages: Messages) -> list[str]:
    """A sentence for each item of a page, in the words that the request asks for."""
    found = _Reasons(view, visit, page)
    return [
        messages.sentence(visit.ask.reasons, each.name, each._asdict() | {"ago": messages.ago(each.seconds)})
        for each in map(found.of, page.shown)
    ]


class _Reasons:
    """The reasons of one page; what several items need is looked up once."""

    def __init__(self, view: View, visit: Visit, page: Page) -> None:
        self._view, self._visit, self._page = view, visit, page
        self._own: dict[str, tuple[int, float]] = {}
        history = visit.history
        for item, moment, kind in zip(history.items, history.times, history.kinds, strict=True):
            if kind <= PURCHASE:
                self._own.setdefault(item, (kind, max(0.0, visit.moment.now - moment)))
        lately = [page.next_to] if page.next_to is not None else list(self._own)[:LATELY]
        state = view.tables.recommender.state if view.tables is not None else None
        self._bought, self._near = ({}, {}) if state is None else _neighbours(state, lately, page.shown)

    def of(self, shown: Shown) -> Reason:
        """The reason of one item."""
        item = shown.item_id
        facts = self._view.catalogue.get(item)
        category = facts.category or "" if facts is not None else ""
        named = {*self._visit.ask.pins.values(), *self._visit.ask.boosted}
        if shown.source == REQUESTED or item in named:
            return Reason("chosen")
        if item in self._own:
            kind, seconds = self._own[item]
            return Reason(OWN[kind], seconds=seconds)
        if shown.source == "query" and self._visit.ask.query:
            return Reason("query", query=self._visit.ask.query)
        if shown.source == "untouched":
            return Reason("new_in", category=category) if category else Reason("new")
        if shown.source == TRENDING:
            return Reason("trending", times=_times(self._growth(item)))
        return self._together(shown) or self._general(shown, category)

    def _together(self, shown: Shown) -> Reason | None:
        """What it goes with: an item of its orders, the last item, or one that the user looked at lately."""
        item = shown.item_id
        with_, orders = self._bought.get(item, ("", 0.0))
        if with_ and (shown.source == BOUGHT_TOGETHER or orders >= ORDERS):
            return Reason(BOUGHT_TOGETHER, item=self._title(with_))
        if self._page.next_to is not None:
            goes = shown.source == "follows" or shown.source in NEAR
            return Reason("similar", item=self._title(self._page.next_to)) if goes else None
        if shown.source == "follows" and self._own:
            return Reason("follows", item=self._title(next(iter(self._own))))
        if shown.source in NEAR | BY_MODEL and item in self._near:
            with_ = self._near[item][0]
            return Reason("goes_with", item=self._title(with_), seconds=self._own[with_][1])
        return None

    def _general(self, shown: Shown, category: str) -> Reason:
        if shown.source in NEAR | BY_MODEL and self._own:
            return Reason("taste")
        if shown.source == "catalogue":
            return Reason("range_of", category=category) if category else Reason("range")
        asked = self._visit.ask.wanted.category
        return Reason("popular_in", category=asked) if asked else Reason("popular")

    def _growth(self, item: str) -> float:
        """The score that the list of trending items gave, before rules of the page moved it."""
        ranking = self._page.ranking
        assert ranking is not None
        return float(ranking.scores[ranking.items.index(item)])

    def _title(self, item: str) -> str:
        facts = self._view.catalogue.get(item)
        return item if facts is None or facts.title is None else facts.title


def _times(score: float) -> str:
    """A growth as people say it, from its logarithm.

    >>> _times(0.4), _times(3.1)
    ('1.5', '22')
    """
    growth = float(np.exp(min(score, 20.0)))
    return f"{growth:.1f}" if growth < 10 else f"{growth:.0f}"


Neighbours = dict[str, tuple[str, float]]
"""By item of the page: the one of the last items that it goes with most, and how much."""


def _neighbours(state: ReadableState, lately: list[str], shown: list[Shown]) -> tuple[Neighbours, Neighbours]:
    """What is bought with one of the last items, by orders, and what is touched near it, by share."""
    wanted = {row: item for item, row in _rows(state, [each.item_id for each in shown])}
    bought: Neighbours = {}
    touched: Neighbours = {}
    for item, row in _rows(state, lately):
        _note(bought, wanted, item, *partners(state, row))
        for others, shares in near(state, row):
            _note(touched, wanted, item, others, shares)
    return bought, touched


def _note(found: Neighbours, wanted: dict[int, str], item: str, others: Array, numbers: Array) -> None:
    """Keep the larger number of each wanted one of some rows."""
    for row, number in zip(others.tolist(), numbers.tolist(), strict=True):
        other = wanted.get(row)
        if other is not None and number > found.get(other, ("", 0.0))[1]:
            found[other] = (item, number)


def _rows(state: ReadableState, items: list[str]) -> Iterator[tuple[str, int]]:
    rows = state.keys["item"].rows
    return ((item, rows[item]) for item in items if item in rows)


__all__ = ["Reason", "reasons"]
