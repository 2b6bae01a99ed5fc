"""Item facts in, their content vectors out: made by a pre-trained text model, or of words alone.

The model comes with the extra `text`: the package wordllama carries its weights, so nothing is downloaded. It runs
where records are decoded, while the batch before is learned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, cast

from models.records import ItemFacts, content_vector

Contents = Callable[[Sequence[ItemFacts]], list[bytes | None]]
"""Makes the content vectors of item facts, in their order; None for facts without content."""

MODELS: Final = ("words", "wordllama")
"""Values of `recommender.text_model`."""


class TextModelMissing(Exception):
    """The settings name a text model whose package is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "recommender.text_model is wordllama, which is not installed: pip install 'sluicegate[text]', or set it to "
            "words, which needs no package"
        )


def contents_by(model: str) -> Contents:
    """The function for one of MODELS. Raises TextModelMissing."""
    return _by_words if model == "words" else _by_model(_load())


def _by_words(items: Sequence[ItemFacts]) -> list[bytes | None]:
    return [facts.content for facts in items]


def _load() -> Any:
    try:
        import wordllama
    except ImportError:
        raise TextModelMissing from None
    folder = Path(cast("str", wordllama.__file__)).parent
    return wordllama.WordLlama.load(cache_dir=folder, disable_download=True)


def _by_model(model: Any) -> Contents:
    def contents(items: Sequence[ItemFacts]) -> list[bytes | None]:
        titled = [at for at, facts in enumerate(items) if facts.title and facts.embedding is None]
        vectors = model.embed([items[at].title for at in titled]) if titled else []
        found = dict(zip(titled, vectors, strict=True))
        return [
            content_vector(None if at in found else facts.title, facts.tags, found.get(at, facts.embedding))
            for at, facts in enumerate(items)
        ]

    return contents


__all__ = ["MODELS", "Contents", "TextModelMissing", "contents_by"]
