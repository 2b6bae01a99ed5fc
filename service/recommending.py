"""In: a request, the user's history, one table set. Out: the answer as JSON bytes. Stage 7: every request's path."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, Protocol

import msgspec

from models import slate
from models.items import ItemFacts
from models.recommender import Ranking
from models.slate import Candidate, Shown
from service.schemas import Ask, Item, Slate
from service.tablesets import TableSet

SPARE: Final = 40
"""Candidates beyond those asked for: some are removed or unavailable, and the ranking cannot know."""
EXTRA: Final = 360
"""Items of a category that are ranked beside what the sources propose; the recommender takes 400 in all."""
UNPROPOSED: Final = -5_000.0
"""Scores below this are of candidates that the source in charge did not propose; its own are above -100."""
EVERYTHING: Final = 1_000
"""More than there can be candidates."""

_encoder = msgspec.json.Encoder()


class Catalogue(Protocol):
    """What the shop says of its items, as it stands this moment."""

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
        """At most `limit` items the shop told of, none of them hidden."""
        ...


class History(NamedTuple):
    """What a user did, newest first: item ids, epoch seconds, event codes."""

    items: list[str]
    times: list[float]
    kinds: list[int]


NOBODY = History([], [], [])


class Page(NamedTuple):
    """What is shown, and what filled its head."""

    shown: list[Shown]
    served_by: str


def recommend(held: TableSet | None, catalogue: Catalogue, ask: Ask, history: History, now: float) -> Page:
    """The slate for a history. Ranked candidates first, then the category, what is popular, the catalogue."""
    excluded = {*ask.exclude, *slate.seen(history.items, history.kinds, ask.exclude_seen)}
    ranking = _rank(held, catalogue, ask, history, now, len(excluded)) if held is not None else None
    stages = _stages(ranking, held, catalogue, ask.category, ask.n, len(excluded))
    return _page(slate.compose(stages, ask.n, rules(catalogue, ask.category, excluded)), ranking)


def _rank(held: TableSet, catalogue: Catalogue, ask: Ask, history: History, now: float, excluded: int) -> Ranking:
    if ask.category is None:
        return held.recommender.rank(*history, now, ask.n + excluded + SPARE)
    # What the sources propose is of all categories: the category's own items are put beside it to be ranked.
    extra = list(
        dict.fromkeys([
            *held.recommender.popular(SPARE, ask.category).items,
            *catalogue.category(ask.category, EXTRA),
        ])
    )
    return held.recommender.rank(*history, now, EVERYTHING, extra=extra)


def popular(held: TableSet | None, catalogue: Catalogue, n: int, category: str | None) -> Page:
    """The slate that everybody gets."""
    page = slate.compose(_stages(None, held, catalogue, category, n, 0), n, rules(catalogue, category, set()))
    return _page(page, None)


def similar(held: TableSet | None, catalogue: Catalogue, item_id: str, n: int) -> Page:
    """The slate beside an item: what goes with it, then its category."""
    ranking = _proposed(held.recommender.similar(item_id, n)) if held is not None else None
    facts = catalogue.get(item_id)
    category = facts.category if facts is not None else None
    stages = _stages(ranking, held, catalogue, category, n, 1)
    page = slate.compose(stages, n, rules(catalogue, None, {item_id}))
    return _page(page, ranking)


def _proposed(ranking: Ranking) -> Ranking:
    """Without the candidates that the source in charge did not propose itself, which stand far below its own."""
    kept = int((ranking.scores > UNPROPOSED).sum())
    return ranking._replace(items=ranking.items[:kept], scores=ranking.scores[:kept], sources=ranking.sources[:kept])


def rules(catalogue: Catalogue, category: str | None, excluded: set[str]) -> Callable[[str], bool]:
    """Whether an item may be shown: not excluded, of the category when one is asked for, not removed or unavailable."""

    def allowed(item: str) -> bool:
        if item in excluded or catalogue.hidden(item):
            return False
        if category is None:
            return True
        facts = catalogue.get(item)
        return facts is not None and facts.category == category

    return allowed


def _stages(
    ranking: Ranking | None, held: TableSet | None, catalogue: Catalogue, category: str | None, n: int, excluded: int
) -> Iterator[Iterator[Candidate]]:
    if ranking is not None:
        yield map(Candidate, ranking.items, ranking.scores.tolist(), ranking.sources)
    if held is not None:
        # Twice what is asked for: some of it is on the page already, excluded or unavailable.
        if category is not None:
            yield _popular(held, 2 * n + 32, category)
        yield _popular(held, 2 * n + 32, None)
    # Whatever there is, in no particular order: an empty page helps nobody while items exist. Enough to fill it even if
    # all that is excluded, and all that stands on it already, came first.
    enough = 2 * n + excluded
    known = catalogue.shown(enough) if category is None else catalogue.category(category, enough)
    yield (Candidate(item, 0.0, "catalogue") for item in known)
    if category is None and held is not None:
        yield (Candidate(item, 0.0, "catalogue") for item in held.state.keys["item"].rows)


def _popular(held: TableSet, n: int, category: str | None) -> Iterator[Candidate]:
    ranking = held.recommender.popular(n, category)
    for item, score in zip(ranking.items, ranking.scores.tolist(), strict=True):
        yield Candidate(item, score, "popular")


def _page(shown: list[Shown], ranking: Ranking | None) -> Page:
    if not shown:
        return Page(shown, "nothing")
    head = shown[0]
    return Page(shown, head.source if ranking is None or head.source in {"popular", "catalogue"} else ranking.served_by)


def encode(
    request_id: str,
    user_id: str | None,
    held: TableSet | None,
    catalogue: Catalogue,
    page: Page,
    degraded: list[str],
    now: float,
) -> bytes:
    """The answer as JSON. `now` is in epoch seconds."""
    manifest = held.manifest if held is not None else None
    return _encoder.encode(
        Slate(
            request_id,
            user_id,
            manifest.id if manifest else None,
            round(max(0.0, now - manifest.created_at), 3) if manifest else None,
            page.served_by,
            degraded,
            [_item(shown, catalogue.get(shown.item_id)) for shown in page.shown],
        )
    )


def _item(shown: Shown, facts: ItemFacts | None) -> Item:
    if facts is None:
        return Item(shown.item_id, shown.score, shown.rank, shown.source)
    return Item(shown.item_id, shown.score, shown.rank, shown.source, facts.title, facts.category, facts.price)


__all__ = ["NOBODY", "Catalogue", "History", "Page", "encode", "popular", "recommend", "similar"]
