"""Rows of arrays in, vector instructions out, where LLVM does not find them in a loop of 32 or 50 steps.

A loop over one row is too short for the vectoriser: its checks (do the arrays overlap, how many are left over) cost
more than the arithmetic. Here a row of FACTORS numbers, or 16 neighbours of a memory, is one value of a vector type,
which LLVM cuts to the registers of the processor. Sums are reassociated; NaN and infinity keep their meaning.
"""

from typing import Any

from models.dimensions import FACTORS
from models.kernels.core.compile import cgutils, intrinsic, ir, types

LANES = 16
"""Neighbours compared at once: one AVX-512 register, two of AVX2."""

_FLOAT, _INT, _SHORT, _BYTE, _MASK = ir.FloatType(), ir.IntType(32), ir.IntType(16), ir.IntType(8), ir.IntType(64)
_ROW = ir.VectorType(_FLOAT, FACTORS)
_LOOSE = ("reassoc", "contract", "nsz")


def _pointer(context: Any, builder: Any, kind: Any, array: Any, row: Any, row_kind: Any) -> Any:
    """The address of array[row], without its type: rows of any shape lie one stride apart."""
    found = context.make_array(kind)(context, builder, array)
    stride = cgutils.unpack_tuple(builder, found.strides)[0]
    place = context.cast(builder, row, row_kind, types.intp)
    start = builder.bitcast(found.data, _BYTE.as_pointer())
    return builder.gep(start, [builder.mul(place, stride)])


def _load(builder: Any, pointer: Any, kind: Any, align: int = 4) -> Any:
    return builder.load(builder.bitcast(pointer, kind.as_pointer()), align=align)


def _filled(builder: Any, kind: Any, value: Any) -> Any:
    """A vector of `kind` with `value` in every lane."""
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(_INT, 0))
    everywhere = ir.Constant(ir.VectorType(_INT, kind.count), [0] * kind.count)
    return builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), everywhere)


def _reduced(builder: Any, name: str, arguments: Any, flags: Any) -> Any:
    vector = arguments[-1].type
    known = ir.FunctionType(_FLOAT, [value.type for value in arguments])
    function = cgutils.get_or_insert_function(builder.module, known, f"llvm.vector.reduce.{name}.v{vector.count}f32")
    return builder.call(function, arguments, fastmath=flags)


def _sum(builder: Any, vector: Any) -> Any:
    return _reduced(builder, "fadd", [ir.Constant(_FLOAT, 0.0), vector], _LOOSE)


class _Rows:
    """The rows and numbers of one call, as vectors."""

    def __init__(self, context: Any, builder: Any, signature: Any, args: Any) -> None:
        self.context, self.builder, self.kinds, self.args = context, builder, signature.args, args

    def pointer(self, array: int, row: int) -> Any:
        """The address of args[array][args[row]]."""
        return _pointer(
            self.context, self.builder, self.kinds[array], self.args[array], self.args[row], self.kinds[row]
        )

    def row(self, array: int, row: int) -> Any:
        """args[array][args[row]] as a vector."""
        return _load(self.builder, self.pointer(array, row), _ROW)

    def whole(self, array: int) -> Any:
        """args[array], which is one row itself."""
        found = self.context.make_array(self.kinds[array])(self.context, self.builder, self.args[array])
        return _load(self.builder, found.data, _ROW)

    def number(self, at: int) -> Any:
        """args[at] in every lane."""
        value = self.context.cast(self.builder, self.args[at], self.kinds[at], types.float32)
        return _filled(self.builder, _ROW, value)

    def times(self, a: Any, b: Any) -> Any:
        """Lane by lane."""
        return self.builder.fmul(a, b, flags=_LOOSE)

    def plus(self, a: Any, b: Any) -> Any:
        """Lane by lane."""
        return self.builder.fadd(a, b, flags=_LOOSE)

    def add_product(self, total: Any, a: Any, b: Any) -> Any:
        """total + a * b, lane by lane, the product rounded before it is added."""
        return self.builder.fadd(total, self.builder.fmul(a, b))

    def store(self, vector: Any, pointer: Any) -> Any:
        """Write one row; the value of a call that has none."""
        self.builder.store(vector, self.builder.bitcast(pointer, _ROW.as_pointer()), align=4)
        return self.context.get_dummy_value()

    def sum(self, vector: Any) -> Any:
        """Over all lanes."""
        return _sum(self.builder, vector)


@intrinsic
def dot(_typing: Any, a: Any, row: Any, z: Any) -> Any:
    """a[row] . z; a: (rows, FACTORS), z: (FACTORS,)."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        it = _Rows(context, builder, signature, args)
        return it.sum(it.times(it.row(0, 1), it.whole(2)))

    return types.float32(a, row, z), build


@intrinsic
def dot_both(_typing: Any, a: Any, row: Any, b: Any, other: Any, z: Any) -> Any:
    """(a[row] + b[other]) . z."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        it = _Rows(context, builder, signature, args)
        return it.sum(it.times(it.plus(it.row(0, 1), it.row(2, 3)), it.whole(4)))

    return types.float32(a, row, b, other, z), build


@intrinsic
def add(_typing: Any, z: Any, weight: Any, a: Any, row: Any) -> Any:
    """z += weight * a[row]."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        it = _Rows(context, builder, signature, args)
        total = it.plus(it.whole(0), it.times(it.number(1), it.row(2, 3)))
        return it.store(total, context.make_array(signature.args[0])(context, builder, args[0]).data)

    return types.void(z, weight, a, row), build


@intrinsic
def add_both(_typing: Any, z: Any, weight: Any, a: Any, row: Any, b: Any, other: Any) -> Any:
    """z += weight * (a[row] + b[other])."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        it = _Rows(context, builder, signature, args)
        both = it.plus(it.row(2, 3), it.row(4, 5))
        total = it.plus(it.whole(0), it.times(it.number(1), both))
        return it.store(total, context.make_array(signature.args[0])(context, builder, args[0]).data)

    return types.void(z, weight, a, row, b, other), build


@intrinsic
def add_rounded(_typing: Any, z: Any, weight: Any, a: Any, row: Any) -> Any:
    """As `add`, but never as one fused instruction, which LLVM chooses or not by the code around the call."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        it = _Rows(context, builder, signature, args)
        total = it.add_product(it.whole(0), it.number(1), it.row(2, 3))
        return it.store(total, context.make_array(signature.args[0])(context, builder, args[0]).data)

    return types.void(z, weight, a, row), build


@intrinsic
def add_both_rounded(_typing: Any, z: Any, weight: Any, a: Any, row: Any, b: Any, other: Any) -> Any:
    """As `add_both`, but never as one fused instruction."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        it = _Rows(context, builder, signature, args)
        total = it.add_product(it.whole(0), it.number(1), it.plus(it.row(2, 3), it.row(4, 5)))
        return it.store(total, context.make_array(signature.args[0])(context, builder, args[0]).data)

    return types.void(z, weight, a, row, b, other), build


@intrinsic
def copy(_typing: Any, a: Any, row: Any, b: Any, other: Any) -> Any:
    """a[row] = b[other]."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        it = _Rows(context, builder, signature, args)
        return it.store(it.row(2, 3), it.pointer(0, 1))

    return types.void(a, row, b, other), build


@intrinsic
def shrink(_typing: Any, a: Any, row: Any, keep: Any) -> Any:
    """a[row] = keep * a[row]."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        it = _Rows(context, builder, signature, args)
        return it.store(it.times(it.number(2), it.row(0, 1)), it.pointer(0, 1))

    return types.void(a, row, keep), build


@intrinsic
def add_row(_typing: Any, a: Any, row: Any, weight: Any, b: Any, other: Any) -> Any:
    """a[row] += weight * b[other], never as one fused instruction."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        it = _Rows(context, builder, signature, args)
        return it.store(it.add_product(it.row(0, 1), it.number(2), it.row(3, 4)), it.pointer(0, 1))

    return types.void(a, row, weight, b, other), build


@intrinsic
def square(_typing: Any, weight: Any, z: Any, decay: Any, a: Any, row: Any) -> Any:
    """|weight * z + decay * a[row]| squared."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        it = _Rows(context, builder, signature, args)
        slope = it.plus(it.times(it.number(0), it.whole(1)), it.times(it.number(2), it.row(3, 4)))
        return it.sum(it.times(slope, slope))

    return types.float32(weight, z, decay, a, row), build


@intrinsic
def move(_typing: Any, a: Any, row: Any, keep: Any, along: Any, z: Any) -> Any:
    """a[row] = keep * a[row] + along * z."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        it = _Rows(context, builder, signature, args)
        moved = it.plus(it.times(it.number(2), it.row(0, 1)), it.times(it.number(3), it.whole(4)))
        return it.store(moved, it.pointer(0, 1))

    return types.void(a, row, keep, along, z), build


def _lanes(context: Any, builder: Any, signature: Any, args: Any, array: int, place: int, kind: Any) -> Any:
    pointer = _pointer(context, builder, signature.args[array], args[array], args[place], signature.args[place])
    return _load(builder, pointer, ir.VectorType(kind, LANES), kind.width // 8)


def _bits(builder: Any, lanes: Any) -> Any:
    return builder.zext(builder.bitcast(lanes, ir.IntType(LANES)), _MASK)


@intrinsic
def equal(_typing: Any, a: Any, start: Any, value: Any) -> Any:
    """Which of a[start : start + LANES] (i32) equal `value`: bit k for lane k."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        found = _lanes(context, builder, signature, args, 0, 1, _INT)
        wanted = context.cast(builder, args[2], signature.args[2], types.int32)
        return _bits(builder, builder.icmp_signed("==", found, _filled(builder, found.type, wanted)))

    return types.uint64(a, start, value), build


def _used(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """Codes of the counts of the 16 slots from args[2] on, -1 for a free one. args: others, counts (u2), start."""
    others = _lanes(context, builder, signature, args, 0, 2, _INT)
    codes = builder.zext(_lanes(context, builder, signature, args, 1, 2, _SHORT), others.type)
    free = builder.icmp_signed("<", others, ir.Constant(others.type, [0] * LANES))
    return builder.select(free, ir.Constant(codes.type, [-1] * LANES), codes)


def _least(builder: Any, lanes: Any) -> Any:
    known = ir.FunctionType(_INT, [lanes.type])
    return builder.call(
        cgutils.get_or_insert_function(builder.module, known, f"llvm.vector.reduce.smin.v{LANES}i32"), [lanes]
    )


@intrinsic
def least(_typing: Any, others: Any, counts: Any, start: Any) -> Any:
    """The smallest code of counts[start : start + LANES], where others < 0 counts as -1."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        used = _used(context, builder, signature, args)
        return builder.sext(_least(builder, used), _MASK)

    return types.int64(others, counts, start), build


@intrinsic
def at_most(_typing: Any, others: Any, counts: Any, start: Any, limit: Any) -> Any:
    """Which of the values of `least` are at most `limit`: bit k for lane k."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        used = _used(context, builder, signature, args)
        limit = context.cast(builder, args[3], signature.args[3], types.int32)
        return _bits(builder, builder.icmp_signed("<=", used, _filled(builder, used.type, limit)))

    return types.uint64(others, counts, start, limit), build


@intrinsic
def first(_typing: Any, bits: Any) -> Any:
    """The place of the lowest set bit; 64 if there is none."""

    def build(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(bits), build


@intrinsic
def fetch(_typing: Any, a: Any, row: Any, bytes_: Any) -> Any:
    """Prefetch the cache line at `bytes_` within a[row], for a write. Never fails, changes nothing."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        row_ = _pointer(context, builder, signature.args[0], args[0], args[1], signature.args[1])
        place = builder.gep(row_, [context.cast(builder, args[2], signature.args[2], types.intp)])
        kinds = [place.type, _INT, _INT, _INT]
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), kinds), "llvm.prefetch.p0"
        )
        builder.call(function, [place, *(ir.Constant(_INT, number) for number in (1, 3, 1))])
        return context.get_dummy_value()

    return types.void(a, row, bytes_), build
