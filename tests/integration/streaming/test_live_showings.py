"""What users were shown is remembered by one rule: the script in Redis and `remembered` in Python do the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.slate.rotation import Showing, impression, page, remembered
from streaming.live import showings
from streaming.store.store import Store

ITEMS = ["tea", "mug", "pot", "cup ✓", "5"]
PLACES = 7
# With fractions, and with whole seconds, which Lua stores as integers.
TIMES = st.sampled_from([5.0, 6.0, 6.25, 7.5, 1e9 + 0.123456])
TOLD = st.one_of(
    st.builds(page, st.sampled_from("123"), st.lists(st.sampled_from(ITEMS), max_size=9), TIMES, st.just(PLACES + 1)),
    st.builds(impression, st.sampled_from(["1", "2", "3", "4", None]), st.sampled_from(ITEMS), TIMES),
)
BATCHES = st.lists(st.lists(TOLD, min_size=1, max_size=5), max_size=6)


@pytest.fixture(scope="module")
def store(redis_url: str) -> Iterator[Store]:
    made = Store(redis_url, "twins", timeout=20.0, retries=1)
    yield made
    made.close()


def stored(store: Store, user: str) -> list[Showing]:
    return showings.parse(store.call(*showings.request(store.key, user)))


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(BATCHES, st.sampled_from([0.0, 6.0]))
def test_the_script_and_python_remember_the_same(store: Store, batches: list[list[Showing]], erased: float) -> None:
    store.call("SET", showings.name(store.key, "ann"), msgspec.msgpack.encode((erased, [])))
    expected: list[Showing] = []
    for told in batches:
        showings.write(store, [("ann", showing) for showing in told], places=PLACES)
        expected = remembered(expected, [showing for showing in told if showing.since > erased], PLACES)
        assert stored(store, "ann") == expected


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(["ann", "ben"]), TOLD), min_size=1, max_size=12), st.integers(1, 4))
def test_users_told_together_or_in_several_scripts_do_not_mix(
    store: Store, told: list[tuple[str, Showing]], together: int
) -> None:
    for user in ("ann", "ben"):
        store.call("DEL", showings.name(store.key, user))
    expected: dict[str, list[Showing]] = {"ann": [], "ben": []}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(showings, "TOGETHER", together)
        showings.write(store, told, places=PLACES)
    for start in range(0, len(told), together):
        part: list[Any] = told[start : start + together]
        for user in {name for name, _ in part}:
            expected[user] = remembered(expected[user], [each for name, each in part if name == user], PLACES)
    assert {user: stored(store, user) for user in expected} == expected
