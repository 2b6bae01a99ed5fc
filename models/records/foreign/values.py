"""A value as somebody else writes it in; the value as our decoder reads it, or why it cannot be used, out. Stage 1.

The same spellings are read in files, in foreign topics and in mapped requests.
"""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

UNITS: Final[dict[str, float]] = {"seconds": 1.0, "milliseconds": 1e3, "microseconds": 1e6, "nanoseconds": 1e9}

EXCEL: Final = "excel"
"""The unit of a spreadsheet's dates: days since 1899-12-30, in local time."""

EMPTY: Final = frozenset({
    "", "NULL", "null", "Null", "(null)", "\\N", "NaN", "nan", "NAN", "NaT", "N/A", "n/a", "#N/A", "NA", "<NA>", "None",
    "nil", "undefined", "(not set)", "[object Object]",
})  # fmt: skip
"""Text that stands for no value in exports of databases, of pandas and R, of spreadsheets and of web pages. The last is
what JavaScript writes of an object: all ids of a shop that it writes so would be one."""

_BOUNDS: Final = (1e8, 4102444800.0)
_EXACT: Final = 2**53

_WHOLE: Final = re.compile(r"-?\d+\.0+")
_ROUNDED: Final = re.compile(r"[+-]?\d(?:[.,](\d+)[eE]\+?|[eE]\+)(\d{1,3})")
_GROUPED: Final = re.compile(r"[+-]?\d{1,3}(,\d{3})+")
_THOUSANDS: Final = re.compile(r"[+-]?[1-9]\d{0,2}\.\d{3}")
_PLAIN: Final = re.compile(r"[+-]?(\d[\d.,]*|[.,]\d+)")
_MONEY: Final = r"(?:[A-Z]{3}|kr\.?|Kč|zł|Ft|Rs\.?|Fr\.?|R|lei|лв\.?|руб\.?|р\.|元|円)"
_CURRENCY: Final = re.compile(rf"^{_MONEY}\s*(?=[\d+\-.,(])|(?<=[\d\-])\s*{_MONEY}$")
_ZONE_NAME: Final = re.compile(r"\[([A-Za-z_+\-/0-9]+)\]$")
_SLASHES: Final = re.compile(r"(\d{4})/(\d{1,2})/(\d{1,2})(?=$|[ T])")
_MAIL: Final = re.compile(r"[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{4} ")
_UNSEEN: Final = "\ufeff\u200b\u2060\u200e\u200f"
"""Characters at the ends of ids that nobody sees: marks of encodings and directions, blanks without width."""

_SPACES: Final = {ord(space): None for space in "\u0020\u00a0\u2007\u2009\u202f'\u2019"}


class Unusable(NamedTuple):
    """A value that cannot be used: what belongs there, and what was found."""

    expected: str
    found: object
    remark: str = ""


class Notes:
    """What was done to values on the way, by field: to be said, because it could be wrong.

    Attributes:
        counts: Values by field and remark.
        examples: One value for each.
    """

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.examples: dict[tuple[str, str], str] = {}

    def add(self, field: str, remark: str, example: object) -> None:
        """Count a value."""
        self.counts[field, remark] += 1
        self.examples.setdefault((field, remark), str(example))


WHOLE_IDS: Final = "written with .0, read as whole numbers"
ROUNDED_IDS: Final = "rounded by a spreadsheet"
ROUNDED_TIMES: Final = "rounded by a spreadsheet, so that their order is lost"
NO_ZONE: Final = "without a time zone"
ODD_IDS: Final = "spelled with characters that cannot be seen, or letters and accents apart, and taken as they are"


def is_empty(value: object) -> bool:
    r"""Whether a value stands for none: null, a blank text, or a word such as NULL, \N or nan.

    >>> is_empty("  "), is_empty("NULL"), is_empty(0), is_empty("none")
    (True, True, False, False)
    """
    if isinstance(value, str):
        return value in EMPTY or value.strip() in EMPTY
    return value is None or (isinstance(value, float) and value != value)


def id_of(value: object) -> object:
    """An id as text. Text in the way a spreadsheet rounds numbers is unusable: many ids have become one.

    >>> id_of(7), id_of(" a "), id_of("5003.0"), id_of(42.0), id_of("NULL"), id_of(1.5)
    ('7', 'a', '5003', '42', None, 1.5)
    >>> id_of("4.00638E+12").found, id_of('="00123"')
    ('4.00638E+12', '00123')
    """
    if isinstance(value, str):
        text = value.strip()
        if not text.isascii():
            text = text.strip(_UNSEEN).strip()
        if text in EMPTY:
            return None
        if text[0] == "=" and text[1:2] == text[-1] == '"':
            return text[2:-1].strip() or None  # how spreadsheets are told that a number is text
        if text[-1] == "0" and _WHOLE.fullmatch(text):
            return text[: text.index(".")]
        if text[-1].isdigit() and ("E" in text or "e" in text) and _ROUNDED.fullmatch(text):
            return Unusable("an id as the shop has it: export this column as text", value, ROUNDED_IDS)
        return text
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        # Python does not print longer numbers, and the decoder rejects ids of that length anyway.
        return str(value) if abs(value) < 10**256 else value
    if isinstance(value, float):
        if value != value:
            return None
        return str(int(value)) if value.is_integer() and abs(value) < _EXACT else value
    if isinstance(value, bytes):
        return _decoded(value)
    return id_of(inside) if (inside := typed(value)) is not value else value


def typed(value: object) -> object:
    """What an object of MongoDB's Extended JSON stands for, such as {"$oid": "65ab"}; any other value as it is.

    >>> typed({"$numberLong": "7"}), typed({"$date": {"$numberLong": "1767225600000"}}), typed({"a": 1})
    ('7', '1767225600000', {'a': 1})
    """
    while isinstance(value, dict) and len(value) == 1 and (name := next(iter(value))) in _TYPED:
        value = value[name]
    return value


_TYPED: Final = frozenset({"$oid", "$date", "$numberInt", "$numberLong", "$numberDouble", "$numberDecimal", "$uuid"})


def is_odd(text: str) -> bool:
    """Whether an id may look like another one and be none: it has characters that cannot be seen, or is not composed.

    >>> is_odd("caf\u00e9"), is_odd("cafe\u0301"), is_odd("a\u200bb"), is_odd("\U0001f469\u200d\U0001f52c")
    (False, True, True, False)
    """
    if text.isascii():
        return False
    if not unicodedata.is_normalized("NFC", text):
        return True
    return any(unicodedata.category(each) == "Cf" and each not in "\u200c\u200d" for each in text)


def number_of(value: object, decimal: str | None = None) -> object:
    """A number from text as shops write it: with a currency, grouped thousands, a decimal comma.

    Args:
        value: The value.
        decimal: The decimal separator, "." or ","; None: the one that the text itself shows. Text that shows none, such
            as 1,005, is not read, nor is 12.000 €: a plain 12.000 is a number, next to a currency it may be thousands.

    >>> [number_of(text) for text in ("39.90", "6,99", "$1,005.50", "1.005,50 €", "EUR 39.90", "free", "1,005")]
    [39.9, 6.99, 1005.5, 1005.5, 39.9, 'free', '1,005']
    >>> number_of("12.000"), number_of("12.000 €"), number_of("12.000 €", ","), number_of("KWD 12.500", ".")
    (12.0, '12.000 €', 12000.0, 12.5)
    >>> number_of("1.005", ","), number_of("1,005", "."), number_of("(5.00)"), number_of("NULL")
    (1005.0, 1005.0, -5.0, None)
    """
    if not isinstance(value, str):
        if (inside := typed(value)) is not value:
            return number_of(inside, decimal)
        return float(value) if isinstance(value, Decimal) else None if is_empty(value) else value
    if value in EMPTY:
        return None
    if decimal != ",":
        try:
            number = float(value)
        except ValueError:
            pass
        else:
            return number if math.isfinite(number) else value
    text = value.strip()
    if text in EMPTY:
        return None
    read = _amount(text, decimal)
    if read is None and decimal == "," and _finite(text) is not None:
        return Unusable("a number with a decimal comma", value)  # our decoder would read the point of 4.50 as decimal
    return value if read is None else read


def _amount(text: str, decimal: str | None) -> float | None:
    plain = "".join(each for each in text if unicodedata.category(each) != "Sc")
    plain = _CURRENCY.sub("", plain.strip()).translate(_SPACES).replace("\u2212", "-")
    negative = plain.startswith("(") and plain.endswith(")")
    plain = plain[1:-1] if negative else plain
    plain = plain[:-2] if plain.endswith((",-", ".-")) else plain
    if not _PLAIN.fullmatch(plain):
        return None
    if decimal is None and plain != text and _THOUSANDS.fullmatch(plain):
        return None
    decimal = decimal or _decimal_in(plain)
    if decimal is None:
        return None
    grouping = "," if decimal == "." else "."
    whole, _, part = plain.rpartition(decimal) if decimal in plain else (plain, "", "")
    if grouping in part or decimal in whole or not _well_grouped(whole, grouping):
        return None
    try:
        number = float(f"{whole.replace(grouping, '')}.{part or 0}")
    except ValueError:
        return None
    return -number if negative else number


def _well_grouped(whole: str, grouping: str) -> bool:
    head, *groups = whole.lstrip("+-").split(grouping)
    return not groups or (1 <= len(head) <= 3 and all(len(group) == 3 for group in groups))


def _decimal_in(plain: str) -> str | None:
    """The decimal separator that a number shows. None where it could be that of thousands."""
    if "." in plain and "," in plain:
        return "." if plain.rindex(".") > plain.rindex(",") else ","
    if plain.count(",") > 1:
        return "."
    if plain.count(".") > 1:
        return ","
    if "," in plain:
        return None if _GROUPED.fullmatch(plain) else ","
    return "."


def shows_decimal_point(value: object) -> bool:
    """Whether text is a number that only a decimal point explains.

    >>> shows_decimal_point("4.5"), shows_decimal_point("1,005.50"), shows_decimal_point("1.005")
    (True, True, False)
    """
    if not isinstance(value, str) or "." not in value:
        return False
    return _amount(value.strip(), ",") is None and _amount(value.strip(), ".") is not None


def shows_decimal_comma(value: object) -> bool:
    """Whether text is a number that only a decimal comma explains.

    >>> shows_decimal_comma("6,99"), shows_decimal_comma("1.005,50"), shows_decimal_comma("1,005")
    (True, True, False)
    """
    if not isinstance(value, str) or "," not in value:
        return False
    plain = "".join(each for each in value if unicodedata.category(each) != "Sc")
    plain = _CURRENCY.sub("", plain.strip()).translate(_SPACES)
    return bool(_PLAIN.fullmatch(plain)) and _decimal_in(plain) == "," and _amount(value.strip(), ",") is not None


class Times:
    """Reads foreign times as a value for our decoder.

    Args:
        time: "auto", one of UNITS, EXCEL, or a format of strptime.
        zone: time zone of times that name none.
        assume: read times that name no zone as UTC where `zone` is None, and note it.

    Raises:
        ValueError: the unit or the zone is not known.

    >>> Times("%d.%m.%Y %H:%M", "UTC").read("01.10.2019 04:00")
    1569902400.0
    >>> Times("excel", "UTC").read("46023.5")
    1767268800.0
    """

    def __init__(self, time: str, zone: str | None, notes: Notes | None = None, *, assume: bool = False) -> None:
        if time not in {"auto", EXCEL, *UNITS} and "%" not in time:
            raise ValueError(
                f"time is {time!r}: write auto, {', '.join(UNITS)}, {EXCEL}, or a format as in '%d.%m.%Y %H:%M:%S' "
                "(strptime)"
            )
        self._divisor, self._format = UNITS.get(time), time if "%" in time else None
        self._excel, self._notes = time == EXCEL, notes
        self._zone: tzinfo | None = _zone(zone) if zone is not None else None
        needs_zone = self._excel or (self._format is not None and "%z" not in self._format)
        if needs_zone and self._zone is None and not assume:
            raise ValueError(f"times in the format {time!r} name no zone: set zone, for example zone = 'UTC'")
        self._assume = assume
        self.expected = f"a number of {time}" if self._divisor else f"text in the format {time}"
        if self._excel:
            self.expected = "days as a spreadsheet counts them"
        if time == "auto":
            self.expected = "RFC 3339 with a zone (or set zone), or a number of seconds or milliseconds, before 2100"

    def read(self, value: object) -> str | float | None:
        """Returns epoch seconds, or a value that our decoder has to judge; None for anything unexpected."""
        if isinstance(value, str):
            return self._text(value.strip())
        if isinstance(value, datetime):
            return self._moment(value)
        if isinstance(value, date):
            return self._moment(datetime(value.year, value.month, value.day))  # noqa: DTZ001 - gets its zone there
        if (inside := typed(value)) is not value:
            return self.read(inside)
        number = _finite(value)
        return None if number is None else self._number(number)

    def _number(self, number: float) -> float | None:
        if self._divisor is not None:
            seconds = number / self._divisor
            return seconds if _BOUNDS[0] <= seconds <= _BOUNDS[1] else None
        if self._excel:
            days = datetime(1899, 12, 30) + timedelta(days=number) if abs(number) < 1e5 else None  # noqa: DTZ001
            return None if days is None else self._moment(days)
        return None if self._format is not None else _seconds(number)

    def _text(self, text: str) -> str | float | None:
        if self._format is not None:
            try:
                return self._moment(datetime.strptime(text, self._format))  # noqa: DTZ007 - gets its zone there
            except (ValueError, OverflowError):
                return None
        number = _finite(text)
        if number is not None:
            if self._notes is not None and (rounded := _ROUNDED.fullmatch(text)) and _lost(rounded):
                self._notes.add("timestamp", ROUNDED_TIMES, text)
            return self._number(number)
        if self._divisor is not None or self._excel:
            return None
        moment = _written(text)
        return None if moment is None else self._moment(moment)

    def _moment(self, moment: datetime) -> float | None:
        if moment.tzinfo is None:
            if self._zone is None and not self._assume:
                return None
            if self._zone is None and self._notes is not None:
                self._notes.add("timestamp", NO_ZONE, moment.isoformat(" "))
            moment = moment.replace(tzinfo=self._zone or UTC)
        try:
            return _within(moment.timestamp())
        except (ValueError, OverflowError):
            return None


def _within(seconds: float) -> float | None:
    """Epoch seconds; None where our decoder would take them for milliseconds: 9999-12-31 is not in 1978."""
    return seconds if seconds < _BOUNDS[0] * 1000 else None


def _lost(rounded: re.Match[str]) -> bool:
    return len(rounded[1] or "") < int(rounded[2])


def _seconds(number: float) -> float:
    """Epoch seconds of a number whose size says the unit; ranges of the four units do not overlap."""
    for divisor in (1e6, 1e9):
        if _BOUNDS[0] * divisor <= number <= _BOUNDS[1] * divisor:
            return number / divisor
    return number


def _written(text: str) -> datetime | None:
    """A moment in one of the forms that name year, month and day without doubt; without zone where it names none.

    >>> _written("2026-03-01 10:00:00 UTC").isoformat(), _written("2026/03/01 10:00").isoformat()
    ('2026-03-01T10:00:00+00:00', '2026-03-01T10:00:00')
    >>> _written("2026-03-01T10:00:00+01:00[Europe/Berlin]").isoformat()
    '2026-03-01T10:00:00+01:00'
    >>> _written("Sun, 01 Mar 2026 10:00:00 GMT").isoformat(), _written("01/02/2026")
    ('2026-03-01T10:00:00+00:00', None)
    """
    named = _ZONE_NAME.search(text)
    plain = text[: named.start()] if named else text
    if plain[-1:] == "z" or plain[10:11] == "t":
        plain = plain.upper()  # RFC 3339 allows small letters
    for word in (" UTC", " GMT", " Z"):
        if plain.endswith(word):
            plain = f"{plain[: -len(word)].rstrip()}Z"
    plain = _SLASHES.sub(lambda found: f"{found[1]}-{found[2]:0>2}-{found[3]:0>2}", plain)
    plain = re.sub(r" (?=[+-]\d\d:?\d\d$)", "", plain)
    try:
        moment = datetime.fromisoformat(plain)
    except ValueError:
        if not _MAIL.match(text):
            return None
        try:
            return parsedate_to_datetime(text)
        except (ValueError, TypeError):
            return None
    if moment.tzinfo is None and named:
        try:
            return moment.replace(tzinfo=_zone(named[1]))
        except ValueError:
            return None
    return moment


def _zone(name: str) -> tzinfo:
    try:
        return timezone.utc if name == "UTC" else ZoneInfo(name)  # noqa: UP017 - the union needs the class
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"zone {name!r} is not known here: write a name as Europe/Berlin, or UTC") from error


def _finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def text_of(value: object) -> object:
    """A text without blanks around it; numbers become text.

    >>> text_of(" red "), text_of(7), text_of("N/A")
    ('red', '7', None)
    """
    return None if is_empty(value) else id_of(value) if not isinstance(value, str) else value.strip()


def truth_of(value: object) -> object:
    """True or False from the words that files have for it.

    >>> truth_of("Yes"), truth_of("0"), truth_of(True), truth_of("oui")
    (True, False, True, 'oui')
    """
    if isinstance(value, bool):
        return value
    word = str(value).strip().casefold()
    return _TRUTH.get(word, None if is_empty(value) else value)


_TRUTH: Final = {"true": True, "1": True, "yes": True, "y": True, "t": True} | {
    "false": False, "0": False, "no": False, "n": False, "f": False,
} | {
    "in stock": True, "in_stock": True, "instock": True, "available": True,
    "out of stock": False, "out_of_stock": False, "outofstock": False, "unavailable": False, "sold out": False,
    "discontinued": False,
}  # fmt: skip


def hashed(key: bytes) -> Callable[[object], object]:
    """Replaces ids by a keyed hash, so that a log with e-mail addresses can be used without them.

    >>> hashed(b"secret")("ann@example.org") == hashed(b"secret")("ann@example.org") != hashed(b"x")("ann@example.org")
    True
    """

    def replace(value: object) -> object:
        return (
            hashlib.blake2b(value.encode(), key=key[:64], digest_size=16).hexdigest() if type(value) is str else value
        )

    return replace


def _decoded(value: bytes) -> object:
    try:
        return id_of(value.decode())
    except UnicodeDecodeError:
        return Unusable("text in UTF-8", repr(value), NOT_UTF8)


NOT_UTF8: Final = "not UTF-8"

__all__ = [
    "EMPTY",
    "EXCEL",
    "NOT_UTF8",
    "NO_ZONE",
    "ODD_IDS",
    "ROUNDED_IDS",
    "ROUNDED_TIMES",
    "UNITS",
    "WHOLE_IDS",
    "Notes",
    "Times",
    "Unusable",
    "hashed",
    "id_of",
    "is_empty",
    "is_odd",
    "number_of",
    "shows_decimal_comma",
    "shows_decimal_point",
    "text_of",
    "truth_of",
]
