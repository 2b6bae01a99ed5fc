"""Keeps a kernel that only kernels call as LLVM's text, which becomes machine code with the kernel that Python calls.

numba by itself optimises every function, with all that it calls copied into it, and makes machine code of it: it works
on a kernel once more for each level above it. Here it works once on each kernel that Python calls, and all below it.

Both kinds are read from the cache without what only a compiler needs.
"""

from typing import Any

from numba.core import codegen as _codegen
from numba.core import compiler as _compiler
from numba.core.caching import CompileResultCacheImpl, FunctionCache, UserProvidedCacheLocator
from numba.core.runtime.nrt import rtsys

# numba declares a part of what it has.
_Library: Any = _codegen.JITCodeLibrary
_Pipeline: Any = _compiler.Compiler
_Format: Any = CompileResultCacheImpl
_Cache: Any = FunctionCache
_Locator: Any = UserProvidedCacheLocator
_runtime: Any = rtsys
_compile_result: Any = _compiler.compile_result
_llvm: Any = vars(_codegen)["ll"]


class Kept(_Library):  # type: ignore[misc]
    """The code of a kernel and of all that it calls, as LLVM's text, for linking into its callers."""

    @property
    def codegen(self) -> Any:
        """Whom numba tells where a kernel's environment is, which `set_env` explains."""
        return self

    def set_env(self, name: str, environment: Any) -> None:
        """Do nothing: an environment holds Python's objects, which kernels have none of."""

    def get_pointer_to_function(self, name: str) -> int:  # noqa: ARG002 - numba's parameter
        """Zero: Python has no entry."""
        return 0

    def serialize_using_object_code(self) -> tuple[str, bytes]:
        """What the cache keeps."""
        return self.name, self._get_module_for_linking().as_bitcode()

    def _optimize_final_module(self) -> None:
        """Do nothing: it is optimised with its callers."""

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True

    @classmethod
    def read(cls, codegen: Any, kept: tuple[str, bytes]) -> Any:
        """A library from what the cache kept."""
        name, code = kept
        library = cls(codegen, name)
        library._final_module = _llvm.parse_bitcode(code)
        library._finalize_final_module()
        return library


class Keeping(_Pipeline):  # type: ignore[misc]
    """numba's compiler, into a `Kept`."""

    def _compile_bytecode(self) -> Any:
        state = self.state
        state.library = Kept(state.targetctx.codegen(), state.func_id.func_qualname)
        return super()._compile_bytecode()


class _Place(_Locator):  # type: ignore[misc]
    """A function's place in the folder that `cache` chose and tried: numba would write a file there for each one."""

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> Any:
        """The place of a function."""
        return cls(py_func, py_file)


class _EntryFormat(_Format):  # type: ignore[misc]
    _locator_classes = (_Place,)

    def reduce(self, result: Any) -> Any:
        """What the cache keeps: without the environments of inner functions that hold no constants of Python's.

        Machine code reads nothing else of them, and to read one imports the module of its function: of numba's own
        functions, parts of its compiler and SciPy.
        """
        *kept, environments = super().reduce(result)
        return (*kept, tuple(each for each in environments if each.consts))


class EntryCache(_Cache):  # type: ignore[misc]
    """numba's cache in files, of kernels that Python calls."""

    _impl_class = _EntryFormat

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Machine code that was kept, None for none.

        numba first tells its compiler of every function that Python code can call, and imports SciPy for it: three
        quarters of the time to load our kernels. Machine code needs none of it, and the compiler does so itself before
        it compiles. Only the functions that unpack arguments are needed.
        """
        _runtime.initialize(target_context)
        return self._load_overload(sig, target_context)


class _KeptFormat(_EntryFormat):
    def rebuild(self, target_context: Any, payload: Any) -> Any:
        kept, description, environment, signature, object_mode, lifted, annotation, reload, _ = payload
        library = Kept.read(target_context.codegen(), kept)
        return _compile_result(
            target_context=target_context,
            typing_context=target_context.typing_context,
            library=library,
            environment=environment,
            entry_point=target_context.get_executable(library, description, environment),
            fndesc=description,
            type_annotation=annotation,
            signature=signature,
            objectmode=object_mode,
            lifted=lifted,
            reload_init=reload,
        )


class KeptCache(_Cache):  # type: ignore[misc]
    """The same, of kept kernels: only a compiler asks for them."""

    _impl_class = _KeptFormat


__all__ = ["EntryCache", "Keeping", "KeptCache"]
