"""A page in; the answer as JSON bytes out. Stage 7."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec import UNSET

from models.records import ItemFacts, Value
from models.slate import Contribution, Shown, explanation
from service.http import Item, Slate
from service.serving.page import Page
from service.serving.visit import View

_encoder = msgspec.json.Encoder()

ALL: Final = "*"
"""In place of a name: all attributes of an item."""

SHOWN_FACTS: Final = frozenset({"category", "price", "brand", "title", "tags", "rating", "available", "group_id"})
"""Facts that can be asked for like attributes. An attribute of the same name comes first."""


class Envelope(NamedTuple):
    """What an answer says besides its items."""

    request_id: str
    now: float
    """Epoch seconds; the age of the version counts to it."""
    degraded: list[str]
    user_id: str | None = None
    propensities: bool = False
    """Whether each item has its propensity."""
    contributions: bool = False
    """Whether each item has the contributions to its score."""
    attributes: Sequence[str] = ()
    """Attributes, and facts, that each item is shown with."""
    reasons: Sequence[str] = ()
    """A sentence for each item; none when the request wants none."""
    arms: dict[str, str] | None = None
    """The user's arm in each experiment, by name of the experiment."""


def encode(view: View, page: Page, envelope: Envelope) -> bytes:
    """Encode a page as JSON."""
    return _encoder.encode(slate(view, page, envelope))


def slate(view: View, page: Page, envelope: Envelope) -> Slate:
    """The answer that a page makes."""
    manifest = view.tables.manifest if view.tables is not None else None
    items = [_item(shown, view.catalogue.get(shown.item_id), envelope.attributes) for shown in page.shown]
    if envelope.propensities or envelope.contributions:
        _explain(items, page, envelope)
    if envelope.reasons:
        for item, reason in zip(items, envelope.reasons, strict=True):
            item.reason = reason
    return Slate(
        envelope.request_id,
        envelope.user_id,
        manifest.id if manifest else None,
        round(max(0.0, envelope.now - manifest.created_at), 3) if manifest else None,
        page.served_by,
        envelope.degraded,
        items,
        UNSET if envelope.arms is None else envelope.arms,
    )


def _item(shown: Shown, facts: ItemFacts | None, attributes: Sequence[str]) -> Item:
    if facts is None:
        return Item(shown.item_id, shown.score, shown.rank, shown.source)
    item = Item(shown.item_id, shown.score, shown.rank, shown.source, facts.title, facts.category, facts.price)
    if attributes:
        item.attributes = _chosen(facts, attributes) or None
    return item


def _chosen(facts: ItemFacts, wanted: Sequence[str]) -> dict[str, Value]:
    """Those of the wanted attributes and facts that the item has; all of its attributes for `*`."""
    found = facts.attribute_values()
    chosen = dict(found) if ALL in wanted else {name: found[name] for name in wanted if name in found}
    for name in wanted:
        fact = getattr(facts, name) if name in SHOWN_FACTS and name not in found else None
        if fact is not None and fact != ():
            chosen[name] = list(fact) if isinstance(fact, tuple) else fact
    return chosen


def _explain(items: list[Item], page: Page, envelope: Envelope) -> None:
    places = {item: at for at, item in enumerate(page.ranking.items)} if page.ranking is not None else {}
    for item, shown in zip(items, page.shown, strict=True):
        if envelope.propensities:
            item.propensity = shown.propensity
        if envelope.contributions:
            item.contributions = _contributions(shown, page, places)


def _contributions(shown: Shown, page: Page, places: dict[str, int]) -> list[Contribution]:
    moved = explanation.adjusted(shown.adjustments)
    at = places.get(shown.item_id, -1)
    if page.ranking is None or at < 0:
        return [explanation.alone(shown.source, shown.score - sum(part.contribution for part in moved)), *moved]
    return [*explanation.contributions(page.ranking, at, float(page.ranking.scores[at])), *moved]


__all__ = ["Envelope", "encode", "slate"]
