"""Reads the sentences of reasons, one file a language, and finds the language that a request asks for."""

from __future__ import annotations

import string
import tomllib
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Final

import msgspec

from models.slate import Audience
from models.structs import Prepared
from service.http import invalid
from streaming.settings import BadSettings

FALLBACK: Final = "en"
"""The language of the file that all others are held against."""

MINUTE, HOUR, DAY, WEEK, MONTH = 60.0, 3_600.0, 86_400.0, 604_800.0, 2_629_800.0
STEPS: Final = ((MONTH, "month"), (WEEK, "week"), (DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"))


class BadLanguage(BadSettings):
    """A file of sentences cannot be used, or a language is asked for that has none. The message is for the operator."""


class Messages(msgspec.Struct, metaclass=Prepared, frozen=True):
    """The sentences of one language: for the shopper, for the operator, and of how long ago something was.

    >>> english = read()["en"]
    >>> english.sentence("shopper", "own_click", {"ago": english.ago(2 * 86_400 + 5)})
    'You looked at it 2 days ago'
    """

    shopper: dict[str, str]
    operator: dict[str, str]
    ago_: dict[str, str] = msgspec.field(name="ago")

    def sentence(self, audience: Audience, name: str, values: Mapping[str, str]) -> str:
        """A sentence with its values. Values are put in once, so braces in a title stay braces."""
        sentences = self.operator if audience == "operator" else self.shopper
        return sentences[name].format_map(values)

    def ago(self, seconds: float) -> str:
        """How long ago something was, in the largest unit that fits."""
        for length, unit in STEPS:
            number = int(seconds / length)
            if number >= 1:
                return self.ago_[unit] if number == 1 else self.ago_[f"{unit}s"].format(n=number)
        return self.ago_["now"]


def read(folder: Path | None = None) -> dict[str, Messages]:
    """The sentences of every language that comes with the package, and of those in a folder, which win.

    Raises:
        BadLanguage: A file cannot be read, or lacks a sentence, or names a value that there is not.
    """
    found = {each.name.removesuffix(".toml"): _decoded(each.name, each.read_bytes()) for each in _shipped()}
    if folder is not None:
        try:
            own = sorted(folder.glob("*.toml"))
            found |= {path.stem.lower(): _decoded(str(path), path.read_bytes()) for path in own}
        except OSError as error:
            raise BadLanguage(f"service.languages_dir: cannot read {error.filename}: {error.strerror}") from None
        if not own:
            raise BadLanguage(f"service.languages_dir: {folder} has no file LANGUAGE.toml")
    for language, messages in found.items():
        _check(language, messages, found[FALLBACK])
    return found


def _shipped() -> Iterable[Path]:
    return (each for each in Path(str(files("service") / "serving" / "languages")).iterdir() if each.suffix == ".toml")


def _decoded(name: str, raw: bytes) -> Messages:
    try:
        return msgspec.convert(tomllib.loads(raw.decode()), Messages)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise BadLanguage(f"{name} is no file of sentences: {error}") from None


def _check(language: str, messages: Messages, model: Messages) -> None:
    """Hold a language against English: the same names, and in each sentence no value that English has not."""
    for part in ("shopper", "operator", "ago_"):
        sentences, expected = getattr(messages, part), getattr(model, part)
        if missing := expected.keys() - sentences.keys():
            raise BadLanguage(f"{language}.toml lacks {min(missing)} in [{part.rstrip('_')}]: en.toml has all of them")
        for name, text in sentences.items():
            if name in expected and (unknown := _values(language, name, text) - _values("en", name, expected[name])):
                raise BadLanguage(f"{language}.toml: {name} names {{{min(unknown)}}}, which the English one lacks")


def _values(language: str, name: str, text: str) -> set[str]:
    try:
        return {value for _, value, _, _ in string.Formatter().parse(text) if value is not None}
    except ValueError as error:
        raise BadLanguage(f"{language}.toml: {name} is no sentence: {error}") from None


class Languages:
    """The languages of one service."""

    def __init__(self, found: Mapping[str, Messages], usual: str = FALLBACK) -> None:
        """Make the languages.

        Args:
            found: The sentences of each.
            usual: The language where a request asks for none that there is.

        Raises:
            BadLanguage: There is no such language.
        """
        self._found = dict(found)
        self._usual = self.known(usual)
        if not self._usual:
            raise BadLanguage(f"{usual!r} is no language with sentences: {', '.join(sorted(self._found))} are")

    def known(self, tag: str) -> str:
        """The language of a tag as `zh-Hans-CN`, "" when there is none: the longest beginning that has sentences."""
        parts = tag.strip().lower().replace("_", "-").split("-")
        for length in range(len(parts), 0, -1):
            if (name := "-".join(parts[:length])) in self._found:
                return name
        return ""

    def chosen(self, asked: str | None, accepted: str) -> str:
        """The language of an answer.

        Args:
            asked: What the request names.
            accepted: Its header Accept-Language.

        Raises:
            Problem: The request names a language that has no sentences.

        >>> Languages(read()).chosen(None, "de, zh-CN;q=0.8, en;q=0.5")
        'zh'
        """
        if asked is not None:
            if not (found := self.known(asked)):
                raise invalid("language", f"one of {', '.join(sorted(self._found))}", repr(asked[:40]))
            return found
        return next(filter(None, map(self.known, _preferred(accepted))), self._usual)

    def __getitem__(self, language: str) -> Messages:
        return self._found[language]


def _preferred(accepted: str) -> list[str]:
    """The tags of a header Accept-Language, the most wanted first (RFC 9110, section 12.5.4)."""
    tags: list[tuple[float, int, str]] = []
    for part in accepted[:256].split(","):
        tag, _, weight = part.partition(";")
        try:
            quality = float(weight.strip().removeprefix("q=") or 1.0)
        except ValueError:
            quality = 0.0
        if tag.strip() and quality > 0:
            tags.append((-quality, len(tags), tag))
    return [tag for _, _, tag in sorted(tags)]


__all__ = ["BadLanguage", "Languages", "Messages", "read"]
