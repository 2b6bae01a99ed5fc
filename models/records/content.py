"""Embedding, title and tags of an item in; a small vector of bytes out. Stage 1.

Vectors of any source are brought to one size by a random projection with a fixed seed (Johnson and Lindenstrauss,
1984): cosines are kept, with a standard deviation of 1 / sqrt(size). Words become vectors without any model by random
indexing (Kanerva, Kristoferson, Holst, CogSci 2000): each word has fixed random signs, and a text is their sum.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

import numpy as np
import xxhash

from models.arrays import Array
from models.dimensions import CONTENT
from models.records.queries import normalised

MOST_WORDS: Final = 40
"""Words of a title that count. Further ones are a description, and would drown the name."""

TAG_WEIGHT: Final = 0.7
"""Weight of the tags next to the title or the embedding, which weighs 1."""

_WORD: Final = re.compile(r"[^\W_]+")


def content_vector(
    title: str | None = None,
    tags: Sequence[str] = (),
    embedding: Sequence[float] | Array | None = None,
) -> bytes | None:
    """Returns a unit vector as CONTENT signed bytes, None when nothing is known of the item.

    Args:
        title: its title, which counts only without an embedding.
        tags: its tags.
        embedding: a vector of any length from the shop's own model.

    >>> titles = ("red wine glass", "white wine glass", "usb cable charger")
    >>> glass, goblet, cable = (np.frombuffer(content_vector(title), np.int8) / 127 for title in titles)
    >>> float(glass @ goblet) > 0.5 > float(glass @ cable)
    True
    """
    name = projected(embedding) if embedding is not None else _word_vector(_WORD.findall(normalised(title or "")))
    total = name + TAG_WEIGHT * _unit(_word_vector([f"#{normalised(tag)}" for tag in tags]))
    unit = _unit(total)
    return np.rint(unit * 127).astype(np.int8).tobytes() if unit.any() else None


def projected(embedding: Sequence[float] | Array) -> Array:
    """Projects a vector of any length to a unit vector (CONTENT,); to zero when it is zero or not finite."""
    source = np.asarray(embedding, np.float64)
    if not np.isfinite(source).all():
        return np.zeros(CONTENT)
    return _unit(_unit(source) @ _projection(len(source)))


def _word_vector(texts: Iterable[str]) -> Array:
    """Returns the sum of the words' signs as a unit vector (CONTENT,), zero without words."""
    total = np.zeros(CONTENT)
    for count, word in enumerate(texts):
        if count == MOST_WORDS:
            break
        total += _signs(word)
    return _unit(total)


@lru_cache(maxsize=4)
def _projection(size: int) -> Array:
    return np.random.Generator(np.random.PCG64(size)).standard_normal((size, CONTENT))


@lru_cache(maxsize=20_000)
def _signs(word: str) -> Array:
    bits = np.frombuffer(xxhash.xxh3_64_digest(word.encode()), np.uint8)
    return np.unpackbits(bits).astype(np.float64) * 2 - 1


def _unit(vector: Array) -> Array:
    size = float(np.sqrt(vector @ vector))
    return vector / size if size > 0 else vector
