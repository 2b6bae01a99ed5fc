"""Names and chooses the folder of compiled code, so that old machine code never meets new tables.

numba's cache looks at the file of a function only, not at those it calls or takes constants from. So the folder of the
cache is named by a hash of everything that shapes compiled code.
"""

import hashlib
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryFile, gettempdir, mkdtemp
from typing import NamedTuple

_COMPILER = f"{__name__.rpartition('.')[0]}.compile"
_IMPORT = re.compile(rb"^ *(?:from +(models[\w.]*) +import +(\([^)]*\)|.+)|import +(models[\w.]*))", re.MULTILINE)
_ASIDE = re.compile(rb"#.*|\bas\s+\w+")
_NAME = re.compile(rb"\w+")
_KERNELS = "models.kernels."
_DECLARES_TUPLES = (b"NamedTuple", b"namedtuple", b"Schema(")

_OTHERS = 0o077
"""Rights of everybody but the owner."""


class KernelCacheWarning(UserWarning):
    """Compiled kernels are not kept where they should be."""


class Cache(NamedTuple):
    """The folder of compiled code; None when no folder can be written. `trouble` says why it is not the usual one."""

    folder: Path | None
    trouble: str = ""


def shaping_files(models: Path) -> list[Path]:
    """Every file below the package folder `models` that compiled code depends on, in order of its path.

    Found by walking: each file that defines kernels, all files that those import, directly or not, and each file that
    declares a named tuple, because numba knows the tuples that kernels take by name and not by their fields.

    Raises:
        ImportError: An import leads to no file.
    """
    return sorted(_shaping(models))


def _shaping(models: Path) -> dict[Path, bytes]:
    """The contents of those files, by their paths."""
    files = {_module(path.relative_to(models.parent)): path for path in models.rglob("*.py")}
    # Bytes and names of modules: to decode the texts, and to ask for a file for each import, took most of this, which
    # is a part of every start.
    texts = {name: path.read_bytes() for name, path in files.items()}
    door = f"from {_COMPILER} import".encode()
    waiting = [name for name, text in texts.items() if f"{name}.".startswith(_KERNELS) or door in text]
    reached: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += _imported(name, texts)
    reached.update(name for name, text in texts.items() if any(word in text for word in _DECLARES_TUPLES))
    return {files[name]: texts[name] for name in reached}


def _module(path: Path) -> str:
    """The name by which a file is imported."""
    return ".".join(path.parent.parts if path.stem == "__init__" else (*path.parent.parts, path.stem))


def _imported(name: str, texts: Mapping[str, bytes]) -> list[str]:
    """The modules among `texts` that one of them imports."""
    found = []
    for package, names, module in _IMPORT.findall(texts[name]):
        base = (package or module).decode()
        for each in _NAME.findall(_ASIDE.sub(b"", names)) or [b""]:
            choices = (f"{base}.{each.decode()}", base)
            chosen = next((choice for choice in choices if choice in texts), None)
            if chosen is None:
                raise ImportError(f"{name} imports {base} {each.decode()}, which is no file below models")
            found.append(chosen)
    return found


def fingerprint(models: Path) -> str:
    """A hash over the paths and contents of `shaping_files`."""
    digest = hashlib.sha256()
    for path, text in sorted(_shaping(models).items()):
        digest.update(f"{path.relative_to(models).as_posix()}\0".encode() + text + b"\0")
    return digest.hexdigest()[:12]


def choose(wanted: str, beside: Path, name: str) -> Cache:
    """Choose the folder of compiled code: the first that can be written.

    Never numba's own choice, which has no fingerprint: after an update it would run old machine code on new tables, and
    that is memory corruption and not an error.

    Args:
        wanted: What NUMBA_CACHE_DIR says; empty when it is not set.
        beside: The folder next to the sources, used without a choice of the user's.
        name: The fingerprint, name of the folder below the one that is chosen.
    """
    choices = [Path(wanted)] if wanted else [beside, *_of_the_user()]
    for choice in choices:
        if _writable(choice / name):
            return Cache(choice / name)
    refused = f"compiled kernels cannot be kept in {' or '.join(map(str, choices))}, which this user may not write"
    try:
        private = _private()
    except OSError:
        return Cache(None, f"{refused}: they are compiled again at every start. Set NUMBA_CACHE_DIR to another folder")
    return Cache(private / name, f"{refused}: they are kept in {private}. Set NUMBA_CACHE_DIR to choose another folder")


def warn(cache: Cache) -> None:
    """Warn of a cache in an unusual place, on one line."""
    if cache.trouble:
        warnings.warn_explicit(cache.trouble, KernelCacheWarning, "sluicegate", 1)


def _of_the_user() -> Iterator[Path]:
    try:
        yield Path.home() / ".cache" / "sluicegate" / "kernels"
    except RuntimeError:  # without HOME, and without an entry in the system's list of users
        return


def _writable(folder: Path) -> bool:
    """Whether files can be made in the folder, which is made if need be, and in those in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for each in (folder, *(inner for inner in folder.iterdir() if inner.is_dir())):
            with TemporaryFile(dir=each):
                pass
    except OSError:
        return False
    return True


def _private() -> Path:
    """A folder of this user below the system's temporary one, the same at each start.

    The cache holds pickles, so anybody who may write it runs code in our process: a folder of this name that belongs to
    somebody else, or that others may write, is left alone, and a new one made. Raises OSError.
    """
    with NamedTemporaryFile() as probe:
        owner = Path(probe.name).stat().st_uid
    folder = Path(gettempdir()) / f"sluicegate-kernels-{owner}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid == owner and not found.st_mode & _OTHERS and not folder.is_symlink():
        return folder
    return Path(mkdtemp(prefix=f"{folder.name}-"))
