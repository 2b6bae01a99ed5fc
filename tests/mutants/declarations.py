"""Declared mutants, read from the TOML files of this folder: one file an area, one table a mutant."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Mutant:
    """A defect, and the tests that have to notice it.

    Attributes:
        area: What it is about, the name of its file.
        name: The defect in one sentence.
        file: The file it changes, from the root of the repository.
        source: Text that stands in `file` exactly once.
        mutated: What takes its place.
        tests: Files or single tests, as pytest names them.
    """

    area: str
    name: str
    file: str
    source: str
    mutated: str
    tests: tuple[str, ...]

    def applied(self, text: str) -> str:
        """The text of the file with the defect in it.

        Raises:
            ValueError: The source text does not stand there exactly once: the declaration has to follow the code.
        """
        found = text.count(self.source)
        if found != 1:
            raise ValueError(f"mutant '{self.name}': its source text stands {found} times in {self.file}, not once")
        return text.replace(self.source, self.mutated)


def declared(folder: Path = FOLDER) -> list[Mutant]:
    """Every mutant, by area and then in the order of its file."""
    return [
        Mutant(path.stem, each["name"], each["file"], each["source"], each["mutated"], tuple(each["tests"]))
        for path in sorted(folder.glob("*.toml"))
        for each in tomllib.loads(path.read_text(encoding="utf-8"))["mutant"]
    ]


def chosen(mutants: Sequence[Mutant], words: Sequence[str]) -> list[Mutant]:
    """Those whose area or name contains one of the words; all of them without words."""
    return [each for each in mutants if not words or any(word in f"{each.area} {each.name}" for word in words)]
