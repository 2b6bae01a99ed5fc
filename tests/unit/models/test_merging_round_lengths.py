"""The lengths of a round and its pieces: bounds, growth, and what switches the share off."""

from hypothesis import given
from hypothesis import strategies as st

from models.merging import round_lengths
from models.merging.round_lengths import LEAST_PIECE, LEAST_ROUND

EVENTS = st.integers(100, 1_000_000)
SHARES = st.floats(0.0001, 0.9999)


@given(st.integers(0, 1 << 40), EVENTS, st.integers(0, 1_000_000), SHARES)
def test_a_round_and_its_pieces_are_within_their_bounds(learned: int, events: int, partial: int, share: float) -> None:
    own = round_lengths(learned, events, partial, share)
    assert min(events, LEAST_ROUND) <= own.round <= events
    assert own.round <= max(LEAST_ROUND, share * learned)
    assert min(partial, LEAST_PIECE) <= own.piece <= partial


@given(st.integers(0, 10**7), st.integers(0, 10**6), EVENTS, SHARES)
def test_a_round_never_becomes_shorter_as_the_stream_grows(learned: int, more: int, events: int, share: float) -> None:
    before, after = (round_lengths(count, events, 2_000, share) for count in (learned, learned + more))
    assert before.round <= after.round
    assert before.piece <= after.piece


def test_an_old_stream_has_the_rounds_and_pieces_of_the_settings() -> None:
    assert round_lengths(10**9, 16_000, 2_000, 0.01) == (16_000, 2_000)
    assert round_lengths(10**9, 2_000, 1_000, 0.01) == (2_000, 1_000)
    assert round_lengths(10**9, 16_000, 0, 0.01) == (16_000, 0)


def test_with_a_share_of_one_nothing_bounds_a_round_but_the_settings() -> None:
    assert round_lengths(0, 16_000, 2_000, 1.0) == (16_000, 2_000)
