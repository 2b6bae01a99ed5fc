"""Lends tables to kernels: a named tuple of arrays in, its address out.

Handed on by value, a view of all tables is a thousand numbers at every call, and each use of one copies them all: a
kernel that does takes seconds to compile, and Python's call unpacks a hundred arrays. By address it is one number, and
each array is looked up where it is used.
"""

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numba import typeof
from numba.core import cgutils
from numba.core.imputils import impl_ret_borrowed
from numba.core.imputils import lower_getattr_generic as lower_getattr
from numba.core.typing.templates import AttributeTemplate
from numba.extending import NativeValue, infer_getattr, models, register_model, typeof_impl, unbox

from models.kernels.core.compile import ir, types

_WORD = 8
"""Bytes of each number in the structure of an array: addresses, sizes, strides."""


class Lent:
    """A named tuple of arrays, and of named tuples, as kernels read it. Members that are tuples are lent, too."""

    __slots__ = ("_members", "_words", "address", "kind", "view")

    def __init__(self, view: Any, kind: Any, words: Any, start: int) -> None:
        self.view, self.kind, self._words = view, kind, words
        self.address = words.ctypes.data + _WORD * start
        self._members = {
            name: Lent(getattr(view, name), member, words, start + sum(map(_length, kind.view.types[:place])))
            for place, (name, member) in enumerate(zip(kind.view.fields, kind.members, strict=True))
            if isinstance(member, LentType)
        }

    def __getattr__(self, name: str) -> Any:
        """A member that is a tuple, lent."""
        try:
            return self._members[name]
        except KeyError:
            raise AttributeError(name) from None


def lend(view: Any) -> Lent:
    """Lend a named tuple of arrays to kernels. It stays valid as long as the result lives."""
    kind = LentType(typeof(view))
    return Lent(view, kind, np.array([*_words(view)], np.int64), 0)


def _words(view: Any) -> Iterator[int]:
    for member in view:
        if isinstance(member, np.ndarray):  # in the order of numba's own structure of an array
            yield from (0, 0, member.size, member.itemsize, member.ctypes.data, *member.shape, *member.strides)
        else:
            yield from _words(member)


def _length(kind: Any) -> int:
    """Words of a member."""
    if isinstance(kind, types.BaseNamedTuple):
        return sum(map(_length, kind.types))
    return 5 + 2 * int(kind.ndim)


class LentType(types.Type):  # type: ignore[misc]
    """The type of a lent tuple in kernels."""

    def __init__(self, view: Any) -> None:
        self.view = view
        # A hash, because symbols hold the name and would be as long as the tables are many.
        super().__init__(f"Lent({hashlib.sha256(_described(view).encode()).hexdigest()[:16]})")

    @property
    def members(self) -> list[Any]:
        """The types of the members."""
        return [LentType(kind) if isinstance(kind, types.BaseNamedTuple) else kind for kind in self.view.types]


def _described(kind: Any) -> str:
    """All that tells one type from another: numba's own text leaves the names of members out."""
    if not isinstance(kind, types.BaseNamedTuple):
        return str(kind)
    members = (f"{name} {_described(member)}" for name, member in zip(kind.fields, kind.types, strict=True))
    return f"{kind.instance_class.__module__}.{kind.instance_class.__qualname__}({', '.join(members)})"


@typeof_impl.register(Lent)
def _kind_of(lent: Lent, _context: Any) -> LentType:
    kind: LentType = lent.kind
    return kind


@register_model(LentType)
class _Address(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: LentType) -> None:
        super().__init__(manager, kind, cgutils.voidptr_t)  # not of the tuple: each instruction would spell it out


@unbox(LentType)
def _unboxed(_kind: Any, lent: Any, c: Any) -> Any:
    address = c.pyapi.object_getattr_string(lent, "address")
    pointer = c.pyapi.long_as_voidptr(address)
    c.pyapi.decref(address)
    return NativeValue(pointer)


@infer_getattr
class _Members(AttributeTemplate):
    key = LentType

    def generic_resolve(self, kind: LentType, name: str) -> Any:  # type: ignore[override]
        """The type of a member; None when there is none of that name."""
        return dict(zip(kind.view.fields, kind.members, strict=True)).get(name)


@lower_getattr(LentType)
def _member(context: Any, builder: Any, kind: LentType, value: Any, name: str) -> Any:
    place = kind.view.fields.index(name)
    member = kind.view.types[place]
    offset = _WORD * sum(map(_length, kind.view.types[:place]))
    start = builder.gep(value, [ir.Constant(cgutils.intp_t, offset)], inbounds=True)
    if isinstance(member, types.BaseNamedTuple):
        return start
    found = builder.load(builder.bitcast(start, context.get_value_type(member).as_pointer()))
    found.set_metadata("invariant.load", builder.module.add_metadata([]))  # so that a loop need not read it again
    return impl_ret_borrowed(context, builder, member, found)


__all__ = ["Lent", "LentType", "lend"]
