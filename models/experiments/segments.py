"""A segment of users as it is written in; whether a user with these attributes belongs to it, out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from models.records import Attributes
from models.slate import OF_ATTRIBUTE, Condition, condition_of

LONGEST: Final = 256
"""Characters of a segment: it is a label of metrics."""

FORM: Final = "NAME:VALUE, NAME<NUMBER, NAME<=NUMBER, NAME>NUMBER or NAME>=NUMBER, as plan:pro"


class Segment(NamedTuple):
    """Users whose attributes meet a condition. A user without the attribute is not in it."""

    text: str
    condition: Condition

    def has(self, attributes: Attributes | None) -> bool:
        """Whether a user with these attributes is in it.

        >>> ann = Attributes(b'{"plan": "pro", "orders": 12}')
        >>> [segment_of(text).has(ann) for text in ("plan:pro", "orders>=20", "city:Oslo")]
        [True, False, False]
        >>> segment_of("plan:pro").has(None)
        False
        """
        return attributes is not None and self.condition.met_by(attributes.values().get(self.condition.attribute or ""))


def segment_of(text: str) -> Segment:
    """Reads a segment. Raises ValueError, which says what belongs there.

    >>> segment_of("orders>many")
    Traceback (most recent call last):
    ValueError: NAME:VALUE, NAME<NUMBER, NAME<=NUMBER, NAME>NUMBER or NAME>=NUMBER, as plan:pro
    """
    try:
        condition = condition_of(OF_ATTRIBUTE + text)
    except ValueError:
        raise ValueError(FORM) from None
    if not condition.value:  # what is empty is no attribute
        raise ValueError(FORM)
    return Segment(text, condition)


def segments_of(attributes: Attributes | None, segments: Iterable[Segment]) -> list[str]:
    """Returns those of the segments that a user with these attributes is in, as they are written."""
    return [segment.text for segment in segments if segment.has(attributes)]


__all__ = ["LONGEST", "Segment", "segment_of", "segments_of"]
