"""The two inputs of a page: `View` (served tables and catalogue) and `Visit` (ask, history and moment)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from models.records import ItemFacts
from models.slate import Showing, Showings, Wanted
from service.http import History, PageAsk
from service.serving.table_sets import TableSet


class CatalogueView(Protocol):
    """What the shop says about its items at this moment."""

    @property
    def grouped(self) -> bool:
        """Whether any item is a variant of a product."""
        ...

    def get(self, item_id: str) -> ItemFacts | None:
        """The facts of an item, None when the shop said nothing."""
        ...

    def hidden(self, item_id: str) -> bool:
        """Whether an item was removed or is unavailable."""
        ...

    def category(self, name: str, limit: int) -> list[str]:
        """At most `limit` items of a category, none of them hidden."""
        ...

    def shown(self, limit: int) -> list[str]:
        """At most `limit` items that have facts, none of them hidden."""
        ...

    def likely(self, wanted: Wanted, limit: int) -> list[str]:
        """At most `limit` items, nearly all of which match a filter: good enough to rank, not to show."""
        ...

    def matching(self, wanted: Wanted, limit: int, passes: Callable[[str], bool]) -> list[str]:
        """At most `limit` items that match a filter and pass, none of them hidden."""
        ...


class View(NamedTuple):
    """The tables of one version, None before the first one, and the catalogue."""

    tables: TableSet | None
    catalogue: CatalogueView


class RequestMoment(NamedTuple):
    """What a page depends on besides model and history: the time, earlier showings, and the seed of chance."""

    now: float
    """Epoch seconds."""
    showings: Showings
    """What this service showed to whom."""
    request_id: str
    """Random, in hexadecimal."""
    stored: Sequence[Showing] = ()
    """What all services showed this user, as Redis has it."""

    @property
    def seed(self) -> int:
        """Seed of the random numbers of this request."""
        return int(self.request_id, 16)


class Visit(NamedTuple):
    """One request for recommendations: what is asked for, what the user did, and when."""

    ask: PageAsk
    history: History
    moment: RequestMoment


__all__ = ["CatalogueView", "RequestMoment", "View", "Visit"]
