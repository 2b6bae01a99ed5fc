"""Keeps a kernel that only kernels call as LLVM's text, which becomes machine code with the kernel that Python calls.

numba by itself optimises every function, with all that it calls copied into it, and makes machine code of it: it works
on a kernel once more for each level above it. Here it works once on each kernel that Python calls, and all below it.
"""

from typing import Any

from numba.core import codegen as _codegen
from numba.core import compiler as _compiler
from numba.core.caching import CompileResultCacheImpl, FunctionCache

# numba declares a part of what it has.
_Library: Any = _codegen.JITCodeLibrary
_Pipeline: Any = _compiler.Compiler
_Format: Any = CompileResultCacheImpl
_Cache: Any = FunctionCache
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


class _KeptFormat(_Format):  # type: ignore[misc]
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
    """numba's cache in files, of kept kernels."""

    _impl_class = _KeptFormat


__all__ = ["Keeping", "KeptCache"]
