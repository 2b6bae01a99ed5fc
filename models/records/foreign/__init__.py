"""A record of somebody else's shape in; our events, or why it is none, out. Stage 1."""

from models.records.foreign.mapping import FACTS, FIELDS, KEY, MAX_LINES, NOTHING, TIME, EventMapping, parsed
from models.records.foreign.paths import EACH, MISSING, Line, Path, said_by, suffix
from models.records.foreign.skips import ANY
from models.records.foreign.values import (
    NO_ZONE,
    NOT_UTF8,
    ODD_IDS,
    ROUNDED_IDS,
    ROUNDED_TIMES,
    WHOLE_IDS,
    Notes,
    Times,
    Unusable,
    id_of,
    is_empty,
    is_odd,
    shows_decimal_comma,
    shows_decimal_point,
)

__all__ = [
    "ANY",
    "EACH",
    "FACTS",
    "FIELDS",
    "KEY",
    "MAX_LINES",
    "MISSING",
    "NOTHING",
    "NOT_UTF8",
    "NO_ZONE",
    "ODD_IDS",
    "ROUNDED_IDS",
    "ROUNDED_TIMES",
    "TIME",
    "WHOLE_IDS",
    "EventMapping",
    "Line",
    "Notes",
    "Path",
    "Times",
    "Unusable",
    "id_of",
    "is_empty",
    "is_odd",
    "parsed",
    "said_by",
    "shows_decimal_comma",
    "shows_decimal_point",
    "suffix",
]
