"""Versions as bytes: a cut is read back as it was; any other bytes are `Damaged`, quickly and within bounds."""

import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.ledger.progress import Progress, batch_digest
from models.snapshot import chunks as format_
from models.snapshot import encoding as snapshot
from models.snapshot.chunks import Damaged, Part, read, write
from models.snapshot.compatibility import Incompatible, TooNew
from models.snapshot.decoding import decode
from models.snapshot.encoding import Chunk, NotFinite, describe
from models.snapshot.filling import fill
from models.snapshot.manifest import Manifest, seal, unseal, verify
from models.snapshot.migrations import MIGRATIONS, RELEARNED
from models.state.merges import SUM
from models.state.state import Changes, State, TableChanges
from models.state.tables import Column, Schema, Space, Table
from tests.support.oracles.ledger import record_hash

BOUNDED = 30_000
"""Milliseconds of an example; a decoder that believed what the bytes say of their length would take minutes."""


def encode(*args, **kwargs):
    return list(snapshot.encode(*args, **kwargs))


GOLDEN = Path(__file__).parents[2] / "golden" / "version_1"


ITEM = Column("item", "i4", default=-1, refers="item", merge=SUM)
WEIGHTS = (Column("q", "f4", (3,), merge=SUM), Column("n", "u4", merge=SUM))


def schema_of(version=1, weights=WEIGHTS, width=4):
    made = Schema(
        version,
        [Space("item", 100_000), Space("user", 100_000, served=False)],
        [
            Table("weights", "item", weights),
            Table("slots", "item", (replace(ITEM, name="other"),), width=width),
            Table("rings", "user", (ITEM,), width=3, served=False),
            Table("clock", "model", (Column("a", "i8", merge=SUM),)),
        ],
        __name__,
    )
    for name, cls in made.classes.items():
        setattr(sys.modules[__name__], name, cls)
    return made


SCHEMA = schema_of()


def filled(items=5, users=3, prefix="tea ✓"):
    state = State(SCHEMA)
    rng = np.random.default_rng(7)
    for i in range(items):
        row = state.add("item", f"{prefix}{i}")
        state.tables["weights"].columns["q"][row] = rng.normal(size=3)
        state.tables["slots"].columns["other"][row * 4] = row
    for i in range(users):
        row = state.add("user", f"u{i}")
        state.tables["rings"].columns["item"][row * 3] = i % items
    state.tables["clock"].columns["a"][0] = 42
    return state


def manifest_of(state, chunks, kind="base", arrivals=0):
    counts = {name: keys.capacity for name, keys in state.keys.items()}
    progress = Progress(offsets={"events": {0: 7}}, digest=2**64 - 1, arrivals=arrivals)
    return Manifest(
        "a",
        1,
        kind,
        schema_version=1,
        chunks=[describe(i, chunk) for i, chunk in enumerate(chunks)],
        counts=counts,
        progress=progress,
    )


def everything(chunks):
    return [chunk.data for chunk in chunks]


def rebuilt(how, manifest, data, schema=SCHEMA, served_only=False):
    """A new state with what a base holds: decoded whole, or filled chunk by chunk as a start does."""
    state = State(schema, served_only=served_only)
    if how == "whole":
        state.apply(decode(manifest, data, schema).changes)
    else:
        fill(state, manifest, iter(data))
    return state


BOTH_WAYS = pytest.mark.parametrize("how", ["whole", "chunk by chunk"])


@BOTH_WAYS
@pytest.mark.parametrize("limit", [16_384, 8 << 20])
def test_a_state_rebuilt_from_chunks_has_the_same_bytes(how, limit):
    state = filled(items=3000, users=500)
    state.remove("item", ["tea ✓7", "tea ✓2999"])
    chunks = encode(state.full(), SCHEMA, limit=limit)
    assert max(len(chunk.data) for chunk in chunks) <= limit
    assert (len(chunks) > 10) == (limit == 16_384)
    other = rebuilt(how, manifest_of(state, chunks), everything(chunks))
    assert other.digest() == state.digest()
    assert other.add("item", "new") == state.add("item", "new")


def test_chunks_are_taken_one_by_one_and_in_the_order_in_which_they_are_written():
    state = filled(items=3000, users=500)
    chunks = encode(state.full(), SCHEMA, limit=16_384)
    other, seen = State(SCHEMA), []

    def fetched():
        for chunk in chunks:
            seen.append(float(np.abs(other.tables["weights"].columns["q"]).sum()))
            yield chunk.data

    fill(other, manifest_of(state, chunks), fetched())
    assert len({total for total in seen if total}) > 2, "rows are there before the last chunk is fetched"
    rows = next(data for data in everything(chunks) if all(part.kind == "table" for part in read(data)))
    for again, why in ((rows, "do not ascend"), (chunks[0].data, "behind the rows that need them")):
        with pytest.raises(Damaged, match=why):
            rebuilt("chunk by chunk", manifest_of(state, chunks), [*everything(chunks), again])


@pytest.mark.parametrize("limit", [16_384, 8 << 20])
def test_a_delta_is_taken_over_as_it_was_cut_whether_its_rows_lie_in_one_chunk_or_in_many(limit):
    state, other = filled(items=3000, users=500), State(SCHEMA)
    other.apply(state.full())
    state.forget_changes()
    state.remove("item", ["tea ✓7", "tea ✓2999"])
    weights = state.tables["weights"]
    weights.columns["q"][::2] += 1
    weights.mark(np.arange(0, 3000, 2))
    chunks = encode(state.cut(), SCHEMA, limit=limit)
    manifest = manifest_of(state, chunks, "delta")
    decoded = decode(manifest, everything(chunks), SCHEMA)
    assert bool(decoded.further) == (limit == 16_384)
    decoded.apply_to(other)
    assert other.digest() == state.digest()
    rows = next(data for data in everything(chunks)[::-1] if any(part.name == "weights" for part in read(data)))
    others = write([Part("table", "weights", "item", 1, 2999, {"n": np.zeros(1, np.uint32)})])
    for again, why in ((rows, "do not ascend"), (others, "not the same columns")):
        with pytest.raises(Damaged, match=why):
            decode(manifest, [*everything(chunks), again], SCHEMA)


def test_deltas_carry_removed_rows_and_the_free_list():
    state, other = filled(), State(SCHEMA)
    other.apply(state.full())
    state.cut()
    state.remove("item", ["tea ✓1", "tea ✓3"])
    chunks = encode(state.cut(), SCHEMA)
    other.apply(decode(manifest_of(state, chunks, "delta"), everything(chunks), SCHEMA).changes)
    assert other.digest() == state.digest()
    assert other.add("item", "new") == state.add("item", "new")


@BOTH_WAYS
def test_served_chunks_hold_no_user(how):
    state = filled()
    chunks = encode(state.full(), SCHEMA)
    served = [chunk.data for chunk in chunks if chunk.served]
    assert not any(b"u0" in data for data in served)
    other = rebuilt(how, manifest_of(state, chunks), served, served_only=True)
    assert other.keys["item"].rows == state.keys["item"].rows


@pytest.mark.parametrize("limit", [16_384, 8 << 20])
def test_arrivals_travel_with_their_position(limit):
    state = filled()
    window = {"event_hash": np.arange(3000, dtype=np.uint64), "time": np.arange(3000, dtype=np.float64)}
    start = 2**40 - 4000
    chunks = encode(state.full(), SCHEMA, window, start, limit)
    decoded = decode(manifest_of(state, chunks, arrivals=start + 3000), everything(chunks), SCHEMA)
    besides = fill(State(SCHEMA), manifest_of(state, chunks, arrivals=start + 3000), everything(chunks))
    for found in (decoded, besides):
        assert found.first_arrival == start
        assert found.arrivals["event_hash"].tolist() == list(range(3000))
    for how in ("whole", "chunk by chunk"):
        with pytest.raises(Damaged, match="arrivals end at"):
            rebuilt(how, manifest_of(state, chunks, arrivals=start), everything(chunks))


def test_a_state_with_a_nan_is_never_written():
    state = filled()
    state.tables["weights"].columns["q"][2, 1] = np.inf
    with pytest.raises(NotFinite, match=r"weights\.q") as caught:
        encode(state.full(), SCHEMA)
    assert caught.value.columns == ["weights.q"]


@BOTH_WAYS
def test_a_nan_in_stored_bytes_is_damage(how):
    state = filled()
    chunks = encode(state.full(), SCHEMA)
    needle = np.ascontiguousarray(state.tables["weights"].columns["q"][1]).tobytes()
    data = [chunk.data.replace(needle, np.full(3, np.nan, np.float32).tobytes()) for chunk in chunks]
    with pytest.raises(Damaged, match="NaN"):
        rebuilt(how, manifest_of(state, chunks), data)


@pytest.mark.parametrize(
    ("table", "rows", "column", "value"),
    [
        ("weights", [5], "n", np.zeros(1, np.uint32)),
        ("weights", [-1], "n", np.zeros(1, np.uint32)),
        ("slots", [20], "other", np.zeros(1, np.int32)),
        ("slots", [3], "other", np.array([5], np.int32)),
        ("slots", [3], "other", np.array([-2], np.int32)),
        ("rings", [0, 0], "item", np.zeros(2, np.int32)),
    ],
)
def test_a_row_that_was_never_handed_out_is_damage(table, rows, column, value):
    state = filled()
    changes = Changes(False, {}, {table: TableChanges(np.array(rows, np.int32), {column: value})})
    chunks = encode(changes, SCHEMA)
    with pytest.raises(Damaged):
        decode(manifest_of(state, chunks, "delta"), everything(chunks), SCHEMA)


@BOTH_WAYS
def test_a_missing_column_keeps_its_default_and_an_unknown_one_is_dropped(how):
    state = filled()
    chunks = encode(state.full(), SCHEMA)
    newer = schema_of(weights=(Column("n", "u4", merge=SUM), Column("born", "f8", default=9.0, merge=SUM)))
    other = rebuilt(how, manifest_of(state, chunks), everything(chunks), newer)
    assert other.tables["weights"].columns["born"][:5].tolist() == [9.0] * 5
    assert "q" not in other.tables["weights"].columns


@BOTH_WAYS
def test_other_dimensions_are_refused_with_both_numbers(how):
    state = filled()
    chunks = encode(state.full(), SCHEMA)
    with pytest.raises(Incompatible, match=r"weights\.q as <f4 of shape \(3,\).*shape \(4,\)"):
        rebuilt(
            how, manifest_of(state, chunks), everything(chunks), schema_of(weights=(replace(WEIGHTS[0], shape=(4,)),))
        )
    with pytest.raises(Incompatible, match="rows of slots 4 a item, the configuration asks for 8 a item"):
        rebuilt(how, manifest_of(state, chunks), everything(chunks), schema_of(width=8))


@BOTH_WAYS
def test_a_version_of_newer_code_is_refused(how):
    with pytest.raises(TooNew, match="schema 9, this program knows up to 1"):
        rebuilt(how, Manifest("a", 1, "base", schema_version=9), [])


@BOTH_WAYS
def test_the_golden_version_still_loads(how):
    manifest = unseal((GOLDEN / "manifest").read_bytes())
    data = [verify(info, (GOLDEN / f"chunk{info.index}").read_bytes()) for info in manifest.chunks]
    state = rebuilt(how, manifest, data)
    assert state.digest() == (GOLDEN / "digest").read_text().strip()


def test_an_older_schema_is_migrated_step_by_step():
    manifest = unseal((GOLDEN / "manifest").read_bytes())
    data = [(GOLDEN / f"chunk{info.index}").read_bytes() for info in manifest.chunks]

    def doubled(changes):
        rows, columns = changes.tables["weights"]
        tables = {**changes.tables, "weights": TableChanges(rows, {**columns, "n": columns["n"] * 2 + 1})}
        return changes._replace(tables=tables)

    newest = schema_of(version=3)
    decoded = decode(manifest, data, newest, {1: doubled, 2: doubled})
    assert decoded.changes.tables["weights"].columns["n"].tolist() == [3] * 5


def test_rankers_of_the_first_schema_are_dropped_and_all_else_is_kept():
    whole = Changes(True, {}, {name: TableChanges(np.zeros(1, np.int32), {}) for name in (*RELEARNED, "pool")})
    assert set(MIGRATIONS[1](whole).tables) == {"pool", "curvature"}
    assert set(MIGRATIONS[1](whole._replace(base=False)).tables) == {"pool"}
    inverse = MIGRATIONS[1](whole).tables["curvature"].columns["inverse"]
    assert np.linalg.eigvalsh(inverse).min() > 0


def test_a_manifest_with_a_flipped_bit_is_damage():
    raw = bytearray(seal(Manifest("a", 1, "base", progress=Progress(digest=2**64 - 1))))
    assert unseal(bytes(raw)).progress.digest == 2**64 - 1
    for place in range(0, len(raw), 7):
        flipped = raw.copy()
        flipped[place] ^= 4
        with pytest.raises(Damaged):
            unseal(bytes(flipped))


@pytest.mark.parametrize("data", [None, b"shor", b"other"])
def test_a_chunk_that_is_not_what_the_manifest_says_is_damage(data):
    info = describe(0, Chunk(b"right", True))
    assert verify(info, b"right") == b"right"
    with pytest.raises(Damaged, match="chunk 0"):
        verify(info, data)


@given(st.binary(max_size=300))
@settings(deadline=BOUNDED)
def test_any_bytes_are_damage(data):
    with pytest.raises(Damaged):
        read(data)
    with pytest.raises(Damaged):
        read(format_.MAGIC + data)
    with pytest.raises(Damaged):
        unseal(data)


@given(st.data())
@settings(deadline=BOUNDED, max_examples=300)
def test_a_changed_chunk_is_damage_or_a_sound_state(data):
    """The SHA-256 catches accidents; these bytes are made up to match it."""
    state = filled()
    chunks = encode(state.full(), SCHEMA)
    raw = bytearray(chunks[data.draw(st.integers(0, len(chunks) - 1))].data)
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    raw = raw[: data.draw(st.integers(0, len(raw)))] if data.draw(st.booleans()) else raw
    for how in ("whole", "chunk by chunk"):
        try:
            other = rebuilt(how, manifest_of(state, chunks), [bytes(raw)])
        except (Damaged, Incompatible):
            continue
        assert not other.full().not_finite()
        assert other.nbytes() < 4 * State.nbytes(state) + 100_000


HEADERS = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=6), inner, max_size=5)),
    max_leaves=20,
)


@given(
    st.fixed_dictionaries({
        "parts": st.lists(
            st.fixed_dictionaries({
                "kind": st.sampled_from(["table", "keys", "free", "arrivals"]),
                "name": st.sampled_from(["weights", "item", "user", "rings", "arrivals"]),
                "keys": st.just("item"),
                "width": st.integers(-1, 1 << 41),
                "first": st.one_of(st.none(), st.integers(-1, 1 << 41)),
                "arrays": st.lists(
                    st.fixed_dictionaries({
                        "column": st.sampled_from(["#rows", "ids", "lengths", "q", "n", "item"]),
                        "dtype": st.sampled_from(["<f4", "<u4", "<i4", "|u1", "|O", "<f16", ""]),
                        "shape": st.lists(st.one_of(st.integers(0, 4), st.just(1 << 40)), max_size=9),
                        "offset": st.integers(-8, 32),
                        "nbytes": st.integers(0, 64),
                    }),
                    max_size=3,
                ),
            }),
            max_size=3,
        )
    })
    | HEADERS,
    st.binary(max_size=64),
)
@settings(deadline=BOUNDED, max_examples=300)
def test_a_made_up_header_is_damage_or_fits_its_bytes(header, body):
    text = msgspec.json.encode(header)
    text += b" " * (-len(text) % 8)
    data = format_.MAGIC + len(text).to_bytes(8, "little") + text + body
    state = filled()
    try:
        decoded = decode(manifest_of(state, []), [data], SCHEMA)
        rebuilt("chunk by chunk", manifest_of(state, []), [data])
    except (Damaged, Incompatible):
        return
    assert sum(part.rows.nbytes for part in decoded.changes.tables.values()) <= len(data)


def test_an_array_that_appears_twice_is_damage():
    part = Part("table", "weights", "item", 1, 0, {"n": np.zeros(1, np.uint32), "m": np.zeros(1, np.uint32)})
    data = write([part]).replace(b'"column":"m"', b'"column":"n"')
    with pytest.raises(Damaged, match="appears twice"):
        read(data)


def test_the_digest_is_a_sum_that_does_not_depend_on_order():
    assert batch_digest("events", 3, range(10)) == sum(record_hash("events", 3, i) for i in range(10)) % 2**64
    assert len({record_hash(t, p, o) for t in ("a", "b") for p in range(20) for o in range(200)}) == 8000


def test_progress_never_goes_back():
    progress = Progress()
    progress.advance("events", 0, np.array([3, 4]), 10.0)
    taken = progress.copy()
    progress.advance("events", 0, [6], 9.0)
    assert (progress.offsets, progress.watermark, progress.consumed) == ({"events": {0: 7}}, 10.0, 3)
    assert taken.offsets == {"events": {0: 5}}
    with pytest.raises(ValueError, match="offset 6 after 7"):
        progress.advance("events", 0, [6], 11.0)


def golden():
    """Writes the golden version; only ever run for a new schema number, into a new folder."""
    state = filled()
    state.tables["weights"].columns["n"][:5] = 0
    chunks = encode(state.full(), SCHEMA)
    GOLDEN.mkdir(parents=True, exist_ok=True)
    (GOLDEN / "manifest").write_bytes(seal(manifest_of(state, chunks)))
    for index, chunk in enumerate(chunks):
        (GOLDEN / f"chunk{index}").write_bytes(chunk.data)
    (GOLDEN / "digest").write_text(state.digest() + "\n")


if __name__ == "__main__":
    golden()


@BOTH_WAYS
def test_a_base_without_the_ids_of_its_rows_is_damage(how):
    state = filled()
    whole = encode(state.full(), SCHEMA)
    chunks = encode(state.full()._replace(keys={}), SCHEMA)
    with pytest.raises(Damaged, match="keys"):
        rebuilt(how, manifest_of(state, whole), everything(chunks))
