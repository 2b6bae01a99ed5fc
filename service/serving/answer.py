"""In: a page, and what it was made from. Out: the answer as JSON bytes."""

from __future__ import annotations

import msgspec

from models.records import ItemFacts
from models.slate import Contribution, Shown, explanation
from service.http import Item, Slate
from service.serving.candidate_pool import CatalogueView
from service.serving.page import Page
from service.serving.table_sets import TableSet

_encoder = msgspec.json.Encoder()


class Form(msgspec.Struct, frozen=True):
    """What an answer tells beside the items."""

    propensities: bool = False
    contributions: bool = False


PLAIN = Form()


def encode(
    request_id: str,
    user_id: str | None,
    held: TableSet | None,
    catalogue: CatalogueView,
    page: Page,
    degraded: list[str],
    now: float,
    form: Form = PLAIN,
) -> bytes:
    """The answer as JSON. `now` is in epoch seconds."""
    manifest = held.manifest if held is not None else None
    items = [_item(shown, catalogue.get(shown.item_id)) for shown in page.shown]
    if form is not PLAIN:
        _tell(items, page, form)
    return _encoder.encode(
        Slate(
            request_id,
            user_id,
            manifest.id if manifest else None,
            round(max(0.0, now - manifest.created_at), 3) if manifest else None,
            page.served_by,
            degraded,
            items,
        )
    )


def _item(shown: Shown, facts: ItemFacts | None) -> Item:
    if facts is None:
        return Item(shown.item_id, shown.score, shown.rank, shown.source)
    return Item(shown.item_id, shown.score, shown.rank, shown.source, facts.title, facts.category, facts.price)


def _tell(items: list[Item], page: Page, form: Form) -> None:
    places = {item: at for at, item in enumerate(page.ranking.items)} if page.ranking is not None else {}
    for item, shown in zip(items, page.shown, strict=True):
        if form.propensities:
            item.propensity = shown.propensity
        if form.contributions:
            item.contributions = _contributions(shown, page, places)


def _contributions(shown: Shown, page: Page, places: dict[str, int]) -> list[Contribution]:
    moved = explanation.adjusted(shown.adjustments)
    at = places.get(shown.item_id, -1)
    if page.ranking is None or at < 0:
        return [explanation.alone(shown.source, shown.score - sum(part.contribution for part in moved)), *moved]
    return [*explanation.contributions(page.ranking, at, float(page.ranking.scores[at])), *moved]


__all__ = ["PLAIN", "Form", "encode"]
