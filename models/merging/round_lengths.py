"""How often several learners hear of each other: events that they have learned in, lengths of a round and a piece out.

What a shard does not hear of within a round costs a model that knows little most, and a fast stream brings more of it
in a second than a young one has ever had. So a round is bounded by a share of what was learned: it grows with the
stream, and merges are dear only as long as the stream is young.
"""

from __future__ import annotations

from typing import Final, NamedTuple

LEAST_ROUND: Final = 500
"""Events of all shards in a round that is shorter than it may be: shorter ones gained nothing in measurements."""

LEAST_PIECE: Final = 125
"""Events of all shards in a piece of such a round."""


class RoundLengths(NamedTuple):
    """Events of all shards together.

    Attributes:
        round: Between two merges.
        piece: Between two partial merges; 0 for none.
    """

    round: int
    piece: int


def round_lengths(learned: int, events: int, partial: int, share: float) -> RoundLengths:
    """The lengths of the next round. A shorter round has as many pieces, as long as they are long enough.

    Args:
        learned: Events that the model has learned.
        events: Of a round, at most.
        partial: Of a piece, at most; 0 for rounds of one piece.
        share: Of what was learned that a round may be; 1 for rounds that no share bounds.

    >>> round_lengths(200_000, 16_000, 2_000, 0.01)
    RoundLengths(round=2000, piece=250)
    >>> round_lengths(20_000, 16_000, 2_000, 0.01)
    RoundLengths(round=500, piece=125)
    >>> round_lengths(10_000_000, 16_000, 2_000, 0.01)
    RoundLengths(round=16000, piece=2000)
    """
    own = events if share >= 1 else min(events, max(LEAST_ROUND, int(share * learned)))
    return RoundLengths(own, min(partial, max(LEAST_PIECE, partial * own // events)))


__all__ = ["RoundLengths", "round_lengths"]
