"""Reads given ranges of partitions again, with a client of its own. Stage 0."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from typing import Final

from models.ledger import Piece
from models.looking import Look
from streaming.consumer.consumer import KafkaSource
from streaming.kafka import Offsets, OffsetsGone, Record
from streaming.settings import Settings

log = logging.getLogger(__name__)

POLL_SECONDS: Final = 0.2
"""Seconds one poll waits for its first record."""

QUIET: Final = 5.0
"""Seconds without a record after which we ask the brokers whether they are there."""


def read(settings: Settings, pieces: Sequence[Piece], beyond: Offsets, look: Look) -> Iterator[list[list[Record]]]:
    """Yield the records of the pieces that the log still holds.

    Args:
        settings: Brokers, time-outs and size of a batch.
        pieces: Ranges of offsets to read.
        beyond: Offsets at which partitions without a piece wait meanwhile; nothing of them is handed out.
        look: Called before each poll.

    Yields:
        The records of one poll: a list per partition, each in offset order.

    Raises:
        BrokerAway: No broker answers.
        NotAllowed: The broker refuses us.
        TopicMissing: A topic does not exist.
        Exception: What `look` raises.
    """
    left = list(pieces)
    while left:
        # One piece of each partition at a time, in the order given.
        now = {(piece.topic, piece.partition): piece for piece in reversed(left)}
        left = [piece for piece in left if piece is not now[piece.topic, piece.partition]]
        yield from _read(settings, list(now.values()), beyond, look)


def _read(settings: Settings, pieces: Sequence[Piece], beyond: Offsets, look: Look) -> Iterator[list[list[Record]]]:
    stops = {(piece.topic, piece.partition): piece.stop for piece in pieces}
    with KafkaSource(settings, sorted({piece.topic for piece in pieces})) as source:
        _assign(source, pieces, beyond)
        heard = time.monotonic()
        while _unread(source, stops):
            look()
            polled = source.poll(POLL_SECONDS, settings.learner.batch_size)
            kept = [
                [each for each in part if each.offset < stops.get((each.topic, each.partition), 0)] for part in polled
            ]
            if any(kept):
                heard = time.monotonic()
                yield [part for part in kept if part]
            elif time.monotonic() > heard + QUIET:
                source.end_offsets()  # raises when the brokers are away


def _assign(source: KafkaSource, pieces: Sequence[Piece], beyond: Offsets) -> None:
    """Assign each piece at its beginning, or where the log begins now."""
    offsets = {topic: dict(places) for topic, places in beyond.items()}
    for piece in pieces:
        offsets.setdefault(piece.topic, {})[piece.partition] = piece.start
    while True:
        try:
            source.assign(offsets)
        except OffsetsGone as gone:
            if gone.wanted >= gone.first:
                raise
            log.error("%d records of %s[%d] are gone", gone.first - gone.wanted, gone.topic, gone.partition)
            offsets[gone.topic][gone.partition] = gone.first
        else:
            return


def _unread(source: KafkaSource, stops: dict[tuple[str, int], int]) -> bool:
    positions = source.positions()
    return any(positions[topic][part] < stop for (topic, part), stop in stops.items())


__all__ = ["read"]
