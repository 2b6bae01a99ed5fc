"""Proposes encodings for a file that is not UTF-8, each with an example of its text."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from streaming.files.source import Source

_EAST_ASIAN: Final = ("gb18030", "cp932", "cp949", "big5")
_ENOUGH: Final = 65_536
_MARKS: Final = "€–—‘’“”„…°«»"


def proposed(path: str) -> list[tuple[str, str]]:
    """Likely encodings of a file, the likeliest first, each with a word of it that is not ASCII."""
    from charset_normalizer import from_bytes

    source = Source(Path(path))
    try:
        lines = [line for line in source.head.splitlines() if not line.isascii()]
    finally:
        source.close()
    sample = b"\n".join(lines)[:_ENOUGH]
    western = _as(sample, "cp1252")
    # A detector needs more text than a column of short words has: a few letters of Western Europe are taken for such.
    if western and _is_western(western):
        return [("cp1252", _word(western))]
    best = from_bytes(sample).best()
    if best is None:
        return [("cp1252", _word(western))] if western else []
    if best.encoding in {*_EAST_ASIAN, "gb2312", "gbk", "shift_jis", "euc_kr", "euc_jp", "johab", "big5hkscs"}:
        read = [(name, _as(sample, name)) for name in _EAST_ASIAN]
        return [(name, _word(text)) for name, text in read if text][:3]
    return [(best.encoding, _word(str(best)))]


def _is_western(text: str) -> bool:
    letters = [each for each in text if not each.isascii()]
    if not all((each.isalpha() and each < "\u0180") or each in _MARKS for each in letters):
        return False
    words = [word for word in text.replace(",", " ").replace(";", " ").split() if not word.isascii()]
    spelled = [each for word in words for each in word if each.isalpha()]
    return sum(not each.isascii() for each in spelled) < 0.4 * max(len(spelled), 1)


def _as(sample: bytes, encoding: str) -> str:
    try:
        return sample.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        return ""


def _word(text: str) -> str:
    return next((word for word in text.replace(",", " ").replace(";", " ").split() if not word.isascii()), "")[:40]
