"""A Python function in, a compiled one out: with `lending` and `keeping`, the only module that knows numba.

`kernel` may guard and change state: no fast-math, so a finite check stays a finite check.
`scoring` only reads state: sums may be reordered so that they run on vector units, but NaN and infinity keep
their meaning (neither ``nnan`` nor ``ninf`` is granted).

Where compiled code is kept, and when it is compiled again, is the business of `cache`.
"""

from pathlib import Path
from types import FunctionType
from typing import Any

from numba import config as _config
from numba import njit as _njit
from numba import types as _types
from numba.core import cgutils
from numba.core.registry import CPUDispatcher
from numba.extending import intrinsic as _intrinsic

from models.kernels.core.cache import choose, fingerprint, warn
from models.kernels.core.keeping import EntryCache, Keeping, KeptCache

__all__ = [
    "by_width",
    "cache",
    "cgutils",
    "config",
    "entry",
    "intrinsic",
    "ir",
    "kernel",
    "prefetch",
    "scoring",
    "types",
]

MODELS = Path(__file__).parents[__name__.count(".") - 1]

# numba declares a part of what it has.
config: Any = _config
njit: Any = _njit
types: Any = _types
cache = choose(config.CACHE_DIR, Path(__file__).parent / "__pycache__", fingerprint(MODELS))
warn(cache)
config.CACHE_DIR = str(cache.folder or "")

_SCORING = {"reassoc", "contract", "arcp", "nsz"}

# Kernels get every array as an argument and allocate none, so they are compiled without numba's reference counting: a
# call that hands on a view of all tables would otherwise touch a hundred atomic counters, ten times the arithmetic.
_OPTIONS: Any = {
    "nogil": True,
    "boundscheck": False,
    "error_model": "numpy",
    "_nrt": False,
    "no_cfunc_wrapper": True,
}


def _plain(kind: Any) -> Any:
    """The type that a kernel is compiled for in place of a constant's own, and of a narrow integer's."""
    kind = types.unliteral(kind)
    return types.int64 if isinstance(kind, types.Integer) and kind.signed else kind


class _Shared(CPUDispatcher):
    """Shares one machine code between all constants and signed integers: numba's own choice compiles a third more."""

    def get_call_template(self, args: Any, kws: Any) -> Any:
        return super().get_call_template([_plain(kind) for kind in args], kws)


class _Inner(_Shared):
    """Has no machine code of its own, for it becomes a part of its callers: the first call from Python makes some."""

    from_python: Any = None

    def __call__(self, *arguments: Any) -> Any:
        if self.from_python is None:
            self.from_python = _with_entry(self.py_func, self.targetoptions.get("fastmath", False))
        return self.from_python(*arguments)


class _InnerByWidth(_Inner):
    def get_call_template(self, args: Any, kws: Any) -> Any:
        return CPUDispatcher.get_call_template(self, args, kws)


def _with_entry(function: Any, fastmath: Any) -> Any:
    """The same function for Python, under a name of its own in the cache."""
    name = function.__name__
    copy = FunctionType(function.__code__, function.__globals__, name, function.__defaults__, function.__closure__)
    copy.__module__, copy.__qualname__ = function.__module__, f"{function.__qualname__}.from_python"
    return _cached(njit(**_OPTIONS, fastmath=fastmath)(copy), EntryCache)


def _cached(made: Any, kind: Any) -> Any:
    """The dispatcher, with a cache of that kind."""
    if cache.folder is not None:
        made._cache = kind(made.py_func)
    return made


def _compiler(kind: type[CPUDispatcher], fastmath: Any = False) -> Any:
    """A decorator that compiles a function.

    Args:
        kind: Which calls share machine code, and whether Python's are among them.
        fastmath: Rules of arithmetic that LLVM may break.
    """

    def compiled(function: Any) -> Any:
        if issubclass(kind, _Inner):
            made = njit(**_OPTIONS, fastmath=fastmath, no_cpython_wrapper=True, pipeline_class=Keeping)(function)
        else:
            made = njit(**_OPTIONS, fastmath=fastmath)(function)
        if made is function:  # where NUMBA_DISABLE_JIT is set
            return made
        made.__class__ = kind
        return _cached(made, KeptCache if issubclass(kind, _Inner) else EntryCache)

    return compiled


kernel = _compiler(_Inner)
"""A kernel that other kernels call."""
entry = _compiler(_Shared)
"""A kernel that Python calls."""
by_width = _compiler(_InnerByWidth)
"""A kernel of its own for each constant argument, so that loops over the width of a row unroll."""
scoring = _compiler(_Inner, _SCORING)

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
