"""Settings of scenarios: named sets of options of requests for recommendations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final

from pydantic import Field, field_validator, model_validator

from models.slate import Audience, Seen, condition_of
from streaming.settings.base import Section

NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,47}")
"""A name is a value in addresses and a label of metrics."""

MOST: Final = 50
"""Scenarios of one installation: each is a label of metrics, with a histogram of its own."""

PIN: Final = re.compile(r"([1-9]|[1-9][0-9]|1[0-9][0-9]|200):.{1,256}", re.DOTALL)
"""PLACE:ITEM, as in requests."""

Share = Annotated[float, Field(ge=0, le=1)]
Price = Annotated[float, Field(ge=0, le=1e12)]


class ScenarioSettings(Section):
    """Options of requests that name a scenario; one [scenario.NAME] each. docs/api.md says what each option does."""

    n: int | None = Field(default=None, ge=1, le=200, description="Number of items.")
    category: str | None = Field(default=None, max_length=256, description="Only items of this category.")
    tags_all: tuple[str, ...] | None = Field(default=None, description="Only items that have all of these tags.")
    tags_any: tuple[str, ...] | None = Field(default=None, description="Only items that have one of these tags.")
    price_min: Price | None = Field(default=None, description="Only items that cost at least this.")
    price_max: Price | None = Field(default=None, description="Only items that cost at most this.")
    filter: tuple[str, ...] | None = Field(default=None, description="Conditions as attributes.NAME:VALUE.")
    attributes: tuple[str, ...] | None = Field(default=None, description="Attributes that items are shown with.")
    exclude: tuple[str, ...] | None = Field(default=None, description="Items that are never shown.")
    exclude_seen: Seen | None = Field(default=None, description="Leave out the user's purchases, or the history.")
    exclude_in_view: bool | None = Field(default=None, description="Leave out the item that the user looks at.")
    diversity: Share | None = Field(default=None, description="How much the items of a slate differ.")
    pinned: tuple[str, ...] | None = Field(default=None, description="PLACE:ITEM: items at fixed places.")
    boosted: tuple[str, ...] | None = Field(default=None, description="Items that get a share of the slate.")
    boost_share: Share | None = Field(default=None, description="That share.")
    rotate: Share | None = Field(default=None, description="How far ignored items go down.")
    explore: Share | None = Field(default=None, description="How much chance takes part.")
    reasons: Audience | None = Field(default=None, description="A sentence for each item, in whose words.")
    language: str | None = Field(default=None, description="Language of these sentences.")

    @field_validator("filter")
    @classmethod
    def _readable_conditions(cls, conditions: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for text in conditions or ():
            try:
                condition_of(text)
            except ValueError as error:
                raise ValueError(f"{text[:40]!r} is no condition: write {error}") from None
        return conditions

    @field_validator("pinned")
    @classmethod
    def _readable_pins(cls, pins: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for text in pins or ():
            if not PIN.fullmatch(text):
                raise ValueError(f"{text[:40]!r} is no pin: write PLACE:ITEM with a place from 1 to 200")
        return pins

    @model_validator(mode="after")
    def _prices_in_order(self) -> ScenarioSettings:
        if self.price_min is not None and self.price_max is not None and self.price_min > self.price_max:
            raise ValueError(f"price_max {self.price_max:g} is below price_min {self.price_min:g}")
        return self

    def options(self) -> dict[str, Any]:
        """The options that are set, as a request would name them."""
        found = self.model_dump(exclude_none=True)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}


DEFAULTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "home": {"n": 12, "diversity": 0.3, "rotate": 0.3},
    "product-page": {"n": 8},
    "cart": {"n": 6, "exclude_seen": "all"},
    "email": {"n": 6, "exclude_seen": "purchased", "diversity": 0.3},
}
"""Scenarios that exist unless the settings say otherwise. `cart` leaves out the whole history, because what is in the
cart is in it; `home` moves down what was shown and ignored."""


def with_defaults(given: Any) -> Any:
    """The scenarios of a file, and those of the defaults that it does not declare itself."""
    return {**DEFAULTS, **given} if isinstance(given, Mapping) else given


def check_names(names: Iterable[str]) -> None:
    """Check names of scenarios. Raises ValueError for one that cannot be a label, or too many of them."""
    found = list(names)
    for name in found:
        if name == "none":
            raise ValueError("'none' stands for requests without a scenario in metrics: choose another name")
        if not NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name: 1 to 48 of a-z, 0-9, _ and -, starting with a letter or digit")
    if len(found) > MOST:
        raise ValueError(f"{len(found)} scenarios: at most {MOST}, because each is a label of metrics")


__all__ = ["DEFAULTS", "ScenarioSettings", "check_names", "with_defaults"]
