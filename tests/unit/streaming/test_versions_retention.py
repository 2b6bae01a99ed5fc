"""What may be unlinked: nothing a pointer needs, and history only beyond its bounds."""

from hypothesis import given, settings
from hypothesis import strategies as st

from models.snapshot.manifest import ChunkInfo, Manifest
from streaming.versions.retention import BESIDE, bytes_since_base, unneeded


def version(seq, kind="delta", size=10, parent=None, beside=""):
    id_ = f"v{seq}{BESIDE if beside else ''}"
    above = "" if kind == "base" else parent or f"v{seq - 1}"
    return Manifest(id_, seq, kind, parent=above, beside=beside, chunks=[ChunkInfo(0, size, "", True)])


def chain(count, bases=(), size=10):
    made = {f"v{seq}": version(seq, "base" if seq == 1 else "delta", size) for seq in range(1, count + 1)}
    made |= {f"v{seq}{BESIDE}": version(seq, "base", 100, beside=f"v{seq}") for seq in bases}
    return made


def rebuilds(versions, kept, version_):
    while version_ in kept:
        if version_ + BESIDE in kept or versions[version_].kind == "base":
            return True
        version_ = versions[version_].parent
    return False


def test_everything_since_the_fifth_newest_base_is_kept():
    versions = chain(40, bases=(10, 15, 20, 25, 30, 35))
    assert unneeded(versions, {"v40"}) == [f"v{seq}" for seq in range(1, 10)] + ["v10", "v10.base"] + [
        f"v{seq}" for seq in range(11, 15)
    ]


def test_history_is_bounded_in_bytes_but_the_newest_base_stays():
    versions = chain(40, bases=(10, 20, 30))
    assert (
        min(versions.keys() - unneeded(versions, {"v40"}, history_bytes=0), key=lambda v: (versions[v].seq, v)) == "v30"
    )
    kept = versions.keys() - unneeded(versions, {"v40"}, history_bytes=100 + 11 * 10 + 100 + 10 * 10)
    assert {"v20", "v20.base"} <= kept
    assert "v19" not in kept


def test_an_old_version_that_is_served_keeps_its_base_and_its_deltas():
    versions = chain(40, bases=(10, 20, 30))
    gone = unneeded(versions, {"v40", "v13"}, history_bytes=0)
    assert not {"v10", "v10.base", "v11", "v12", "v13"} & set(gone)
    assert {"v9", "v14", "v20.base"} <= set(gone)


def test_without_a_base_nothing_is_unlinked():
    versions = {f"v{seq}": version(seq) for seq in range(5, 9)}
    assert unneeded(versions, {"v8"}) == []


@given(
    st.integers(1, 60),
    st.sets(st.integers(2, 60), max_size=8),
    st.sets(st.integers(1, 60), max_size=4),
    st.integers(0, 3000),
)
@settings(deadline=None)
def test_versions_that_pointers_name_can_always_be_rebuilt(count, bases, named, history):
    versions = chain(count, [seq for seq in bases if seq <= count])
    pointers = {f"v{seq}" for seq in named if seq <= count} | {f"v{count}"}
    kept = versions.keys() - unneeded(versions, pointers, history_bytes=history)
    assert all(rebuilds(versions, kept, name) for name in pointers)
    newest = max(m.seq for m in versions.values() if m.kind == "base")
    assert all(rebuilds(versions, kept, f"v{seq}") for seq in range(newest, count + 1))


def test_the_deltas_since_the_nearest_base_are_counted():
    versions = chain(12, bases=(10,))
    assert bytes_since_base(versions, "v12") == (20, 100)
    assert bytes_since_base(versions, "v9") == (80, 10)
    assert bytes_since_base(versions, "gone") == (0, 0)
