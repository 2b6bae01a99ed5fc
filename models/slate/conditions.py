"""A filter as a request writes it in; a test of an item's facts and attributes out. Stage 7."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from models.records import ItemFacts, Value
from models.structs import Prepared

OF_ATTRIBUTE: Final = "attributes."
FILTERED: Final = ("category", "brand", "price", "rating", "tags", "group_id")
"""Facts that a condition can name."""

FORM: Final = "NAME:VALUE, NAME<NUMBER, NAME<=NUMBER, NAME>NUMBER or NAME>=NUMBER"
NAMES: Final = f"attributes. and the name of an attribute, or {', '.join(FILTERED)}"

_WRITTEN: Final = re.compile(r"(.+?)(<=|>=|[:<>])(.*)", re.DOTALL)


class Condition(msgspec.Struct, metaclass=Prepared, frozen=True, gc=False):
    """One condition of a filter. An item without the fact or attribute does not meet it.

    Attributes:
        name: A fact, or `attributes.` and the name of an attribute.
        sign: `:` for equal, or that a list holds it; otherwise how a number compares.
        value: The value as it was written.
        bound: The number to compare with; None where the value is none.
    """

    name: str
    sign: str
    value: str
    bound: float | None = None

    @property
    def attribute(self) -> str | None:
        """Name of the attribute that it is about, None for a fact."""
        return self.name.removeprefix(OF_ATTRIBUTE) if self.name.startswith(OF_ATTRIBUTE) else None

    def holds(self, facts: ItemFacts) -> bool:
        """Whether an item with these facts meets it.

        >>> from models.records import checked_attributes
        >>> mug = ItemFacts(brand="Kyusu", attributes=checked_attributes({"colour": ["red", "blue"], "stock": 3})[0])
        >>> [condition_of(text).holds(mug) for text in ("attributes.colour:blue", "attributes.stock>=3", "brand:Hario")]
        [True, True, False]
        """
        attribute = self.attribute
        return self.met_by(getattr(facts, self.name) if attribute is None else facts.attribute_values().get(attribute))

    def met_by(self, value: Value | tuple[str, ...] | None) -> bool:
        """Whether this value of the fact or attribute meets it; None, for none, does not."""
        if value is None:
            return False
        if isinstance(value, int | float) and not isinstance(value, bool):
            return self.bound is not None and _compares(value, self.sign, self.bound)
        return self.sign == ":" and self.value in words(value)


def _compares(value: float, sign: str, bound: float) -> bool:
    if sign == ":":
        return value == bound
    if sign == "<":
        return value < bound
    if sign == "<=":
        return value <= bound
    return value > bound if sign == ">" else value >= bound


def words(value: Value | tuple[str, ...]) -> list[str]:
    """What a filter may be equal to.

    >>> words(True), words(3), words(["red", "blue"])
    (['true'], ['3'], ['red', 'blue'])
    """
    if isinstance(value, list | tuple):
        return list(value)
    return [str(value).lower() if isinstance(value, bool) else str(value)]


def canonical(word: str) -> str:
    """A word as an index has it: the same for all ways to write a number.

    >>> canonical("3.0"), canonical("3"), canonical("003")
    ('3.0', '3.0', '003')
    """
    number = _number(word)
    return word if number is None else repr(number)


def condition_of(text: str) -> Condition:
    """Reads a condition. Raises ValueError, which says what belongs there.

    >>> condition_of("attributes.colour:dark red")
    Condition(name='attributes.colour', sign=':', value='dark red', bound=None)
    >>> condition_of("attributes.stock>=1").bound
    1.0
    """
    found = _WRITTEN.fullmatch(text)
    if found is None:
        raise ValueError(FORM)
    name, sign, value = found.groups()
    if name not in FILTERED and not (name.startswith(OF_ATTRIBUTE) and name != OF_ATTRIBUTE):
        raise ValueError(f"{FORM}, where NAME is {NAMES}")
    bound = _number(value)
    if sign != ":" and bound is None:
        raise ValueError(f"{name}{sign} and a number")
    return Condition(name, sign, value, bound)


def _number(text: str) -> float | None:
    """The number that a text is in plain digits; None for a code with zeros in front, and for other text."""
    if not re.fullmatch(r"-?(0|[1-9]\d{0,14})(\.\d{1,15})?", text):
        return None
    return float(text)


__all__ = ["FILTERED", "FORM", "OF_ATTRIBUTE", "Condition", "canonical", "condition_of", "words"]
