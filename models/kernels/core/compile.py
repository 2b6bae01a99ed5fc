"""A Python function in, a compiled one out: the only module that knows numba.

`kernel` may guard and change state: no fast-math, so a finite check stays a finite check.
`scoring` only reads state: sums may be reordered so that they run on vector units, but NaN and infinity keep
their meaning (neither ``nnan`` nor ``ninf`` is granted).

numba's cache looks at the file of a function only, not at those it calls or takes constants from. So the folder of the
cache is named by a hash of everything that shapes compiled code: old machine code never meets an edited constant or
table.
"""

import hashlib
import re
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from numba import config as _config
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic as _intrinsic

__all__ = ["cgutils", "intrinsic", "ir", "kernel", "prefetch", "scoring", "types"]

_MODELS = Path(__file__).parents[__name__.count(".") - 1]
_IMPORT = re.compile(r"^ *(?:from +(models[\w.]*) +import +(\([^)]*\)|.+)|import +(models[\w.]*))", re.MULTILINE)
_DECLARES_TUPLES = re.compile(r"\bNamedTuple\b|\bnamedtuple\b|\bSchema\(")


def shaping_files(models: Path) -> list[Path]:
    """Every file below the package folder `models` that compiled code depends on, in order of its path.

    Found by walking: each file that defines kernels, all files that those import, directly or not, and each file that
    declares a named tuple, because numba knows the tuples that kernels take by name and not by their fields.

    Raises:
        ImportError: An import leads to no file.
    """
    sources = {path: path.read_text(encoding="utf-8") for path in models.rglob("*.py")}
    kernels, door = models / "kernels", f"from {__name__} import"
    waiting = [path for path, text in sources.items() if kernels in path.parents or door in text]
    reached: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path not in reached:
            reached.add(path)
            waiting += _imported(path, sources[path], models)
    return sorted(reached | {path for path, text in sources.items() if _DECLARES_TUPLES.search(text)})


def _imported(path: Path, text: str, models: Path) -> list[Path]:
    files = []
    for package, names, module in _IMPORT.findall(text):
        base = models.parent.joinpath(*(package or module).split("."))
        for name in re.findall(r"\w+", re.sub(r"#.*|\bas\s+\w+", "", names)) or [""]:
            choices = (base / f"{name}.py", base / name / "__init__.py", base.with_suffix(".py"), base / "__init__.py")
            file = next((choice for choice in choices if choice.is_file()), None)
            if file is None:
                raise ImportError(f"{path} imports {package or module} {name}, which is no file below {models}")
            files.append(file)
    return files


def fingerprint(models: Path) -> str:
    """A hash over the paths and contents of `shaping_files`."""
    digest = hashlib.sha256()
    for path in shaping_files(models):
        digest.update(f"{path.relative_to(models).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def _folder() -> Path:
    """The folder of all caches: NUMBA_CACHE_DIR, else next to the sources, else with the user's other caches.

    Never numba's own choice, which has no fingerprint: after an update it would run old machine code on new tables, and
    that is memory corruption and not an error.
    """
    if config.CACHE_DIR:
        return Path(config.CACHE_DIR)
    beside = Path(__file__).parent / "__pycache__"
    try:
        beside.mkdir(exist_ok=True)
        with TemporaryFile(dir=beside):
            return beside
    except OSError:  # installed where this user may not write
        return Path.home() / ".cache" / "sluicegate" / "kernels"


config: Any = _config
config.CACHE_DIR = str(_folder() / fingerprint(_MODELS))

_SCORING = {"reassoc", "contract", "arcp", "nsz"}

# Kernels get every array as an argument and allocate none, so they are compiled without numba's reference counting: a
# call that hands on a view of all tables would otherwise touch a hundred atomic counters, ten times the arithmetic.
_OPTIONS: Any = {"cache": True, "nogil": True, "boundscheck": False, "error_model": "numpy", "_nrt": False}

kernel = njit(**_OPTIONS)
scoring = njit(fastmath=_SCORING, **_OPTIONS)

# For vectors.py, which builds instructions. `intrinsic` as Any, because it takes the typing context from the signature.
intrinsic: Any = _intrinsic
ir: Any = vars(cgutils)["ir"]


def _prefetch(typing, array, row, column):
    del typing

    def generate(context, builder, signature, arguments):
        kind = signature.args[0]
        made = context.make_array(kind)(context, builder, arguments[0])
        place = cgutils.get_item_pointer(context, builder, kind, made, list(arguments[1:]), wraparound=False)
        byte, word = cgutils.voidptr_t, cgutils.int32_t
        void = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        function = cgutils.get_or_insert_function(builder.module, void, "llvm.prefetch.p0")
        reading, keep, data = word(0), word(3), word(1)
        builder.call(function, [builder.bitcast(place, byte), reading, keep, data])
        return context.get_dummy_value()

    return types.void(array, row, column), generate


prefetch: Any = intrinsic(_prefetch)
"""prefetch(array, row, column): begin to fetch that cell of a two-dimensional array; reads and changes nothing."""
