"""Counts folders, files and lines of each package, and says what is too large or has no door.

`python -m tests.support.documents.house` prints the table; a test holds the packages to its limits.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[3]
PACKAGES: Final = ("models", "streaming", "service")

MOST_FILES: Final = 16
"""Files in a folder. Above that, a reader scans a list instead of guessing a name."""

LONGEST: Final = 500
"""Lines in a file. Above that it has become two ideas."""

LISTED: Final = {"service/commands", "service/routes"}
MOST_LISTED: Final = 28
"""Files in a folder of commands or of routes: their names are the words that users type, so the folder is an index."""

RACKS: Final = {
    "models",
    "models/kernels",
    "models/kernels/core",
    "models/kernels/retrieval",
    "models/kernels/ranking",
    "models/kernels/cold_start",
    "models/kernels/merging",
    "models/kernels/regression",
    "streaming",
    "streaming/jobs",
    "service",
    "service/cli",
    "service/commands",
    "service/routes",
}
"""Folders whose entries are imported one by one. Importing one of them must not load its neighbours."""


class Package(NamedTuple):
    """The figures of one package."""

    name: str
    folders: int
    files: int
    median_files: float
    most_files: int
    fullest: str
    longest: int
    longest_file: str
    doors: int
    rooms: int


def rooms(package: str) -> list[Path]:
    """The package's folder and every folder of modules below it, sorted by path."""
    return sorted(path.parent for path in (ROOT / package).rglob("__init__.py"))


@cache
def exports(room: Path) -> list[str]:
    """What the room's `__init__` names in `__all__`; empty where it has none."""
    for node in ast.parse((room / "__init__.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return [str(name) for name in ast.literal_eval(node.value)]
    return []


def name(path: Path) -> str:
    """The path from the root of the repository, with slashes."""
    return path.relative_to(ROOT).as_posix()


def package(which: str) -> Package:
    """The figures of one package; `__init__` files are doors and do not count as files."""
    folders = rooms(which)
    files = {room: [path for path in sorted(room.glob("*.py")) if path.name != "__init__.py"] for room in folders}
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for found in files.values() for path in found}
    counts = [len(found) for found in files.values()]
    fullest = max((room for room in folders if name(room) not in LISTED), key=lambda room: len(files[room]))
    longest = max(lines, key=lambda path: lines[path])
    libraries = [room for room in folders if name(room) not in RACKS]
    return Package(
        name=which,
        folders=len(folders),
        files=sum(counts),
        median_files=median(counts),
        most_files=len(files[fullest]),
        fullest=name(fullest),
        longest=lines[longest],
        longest_file=name(longest),
        doors=sum(bool(exports(room)) for room in libraries),
        rooms=len(libraries),
    )


def same_names() -> dict[str, list[str]]:
    """Module names that stand in all three packages, with the files that bear them."""
    found: dict[str, list[str]] = {}
    for which in PACKAGES:
        for path in sorted((ROOT / which).rglob("*.py")):
            if path.stem not in {"__init__", "__main__"}:
                found.setdefault(path.stem, []).append(name(path))
    return {
        stem: paths for stem, paths in sorted(found.items()) if {path.split("/")[0] for path in paths} == set(PACKAGES)
    }


def main() -> None:
    """Print a row per package, then the module names that stand in all three."""
    print(f"{'package':10} {'folders':>7} {'files':>5}  {'files a folder: median, most':38} {'longest file':46} doors")
    for row in map(package, PACKAGES):
        most = f"{row.median_files:g}, {row.most_files} ({row.fullest})"
        longest = f"{row.longest} ({row.longest_file})"
        print(f"{row.name:10} {row.folders:7} {row.files:5}  {most:38} {longest:46} {row.doors} of {row.rooms}")
    print(f"\nlimits: {MOST_FILES} files a folder, {LONGEST} lines a file")
    for folder in sorted(LISTED):
        print(f"an index, at most {MOST_LISTED} files: {folder}: {len([*(ROOT / folder).glob('*.py')]) - 1}")
    for stem, paths in same_names().items():
        print(f"in three packages: {stem}: {', '.join(paths)}")


if __name__ == "__main__":
    main()
