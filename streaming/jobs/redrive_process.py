"""Lists dead letters, or sends them again, for the service: `python -m streaming.jobs.redrive_process`.

A process of its own, so that the service, which answers within milliseconds, neither loads the consumer nor waits for
it. One JSON object comes by standard input, an `Order`; one goes to standard output: what was found or done, or
`trouble`, with its `kind`.
"""

from __future__ import annotations

import logging
import os
import sys
from collections import Counter
from typing import Any, Final

import msgspec

from models.structs import Prepared
from streaming.consumer import KafkaSource, newest
from streaming.intake import DeadLetter, decode
from streaming.jobs.redrive import RedriveRunsError, group, redrive
from streaming.kafka import KafkaTrouble, TopicMissing
from streaming.logs import configure
from streaming.settings import Settings, log_format, taken_over
from streaming.store import StoreUnavailable

NICE: Final = 10
"""Lower priority: answers and learning come first."""

LOOKED_AT: Final = 500
"""Newest letters that are looked through for those of one reason; each has at most 256 KiB."""

QUOTED: Final = 2_000
"""Characters of a value that are shown."""


class Order(msgspec.Struct, metaclass=Prepared, frozen=True):
    """What is to be done.

    Attributes:
        settings: As `handed_over` writes them.
        redrive: Whether to send letters again; otherwise they are listed.
        limit: Letters at most.
        reason: Only letters refused for this reason; None for all.
        dry_run: Only count what would be sent.
    """

    settings: msgspec.Raw
    redrive: bool
    limit: int
    reason: str | None = None
    dry_run: bool = False


def listed(settings: Settings, reason: str | None, limit: int) -> dict[str, Any]:
    """The newest letters, newest first, and how many of those looked at have each reason. Raises KafkaTrouble."""
    topic = settings.topic("deadletter")
    letters: list[dict[str, Any]] = []
    reasons: Counter[str] = Counter()
    reached: dict[str, dict[int, int]] = {}
    try:
        with KafkaSource(settings, [topic]) as source:
            found = newest(source, LOOKED_AT if reason is not None else limit)
            for record in reversed(found):
                letter = decode(record)
                if letter is None:
                    continue
                reasons[letter.reason] += 1
                if letter.reason not in reached:
                    reached[letter.reason] = source.committed(group(settings, letter.reason)).get(topic, {})
                if reason in {None, letter.reason} and len(letters) < limit:
                    sent = record.offset < reached[letter.reason].get(record.partition, 0)
                    letters.append(_shown(letter, sent_again=sent))
    except TopicMissing:
        pass  # made with the first letter
    return {"letters": letters, "looked_at": reasons.total(), "by_reason": dict(reasons)}


def _shown(letter: DeadLetter, *, sent_again: bool) -> dict[str, Any]:
    fields = ("reason", "path", "expected", "found", "topic", "partition", "offset", "timestamp", "length", "whole")
    text = None if letter.value is None else letter.value.decode(errors="replace")
    return {name: getattr(letter, name) for name in fields} | {
        "key": None if letter.key is None else letter.key.decode(errors="replace"),
        "value": text if text is None else text[:QUOTED],
        "sent_again": sent_again,
    }


def sent(settings: Settings, order: Order) -> dict[str, Any]:
    """Send letters again as `sluicegate deadletter redrive` does. Raises what `redrive` raises."""
    done = redrive(settings, order.reason, order.limit, dry_run=order.dry_run)
    counts = {"sent": done.sent, "cut": done.cut, "refused": done.refused, "by_reason": done.by_reason}
    return counts | {"complete": done.done, "dry_run": order.dry_run}


def carried_out(raw: bytes) -> dict[str, Any]:
    """The answer to an order."""
    order = msgspec.json.decode(raw, type=Order)
    settings = taken_over(bytes(order.settings))
    try:
        return sent(settings, order) if order.redrive else listed(settings, order.reason, order.limit)
    except KafkaTrouble as trouble:
        return {"kind": "kafka", "trouble": str(trouble)}
    except StoreUnavailable as trouble:
        return {"kind": "redis", "trouble": str(trouble)}
    except RedriveRunsError:
        return {"kind": "busy", "trouble": "another request, or a command, sends them again at this moment"}


def main() -> None:
    """`python -m streaming.jobs.redrive_process`."""
    os.nice(NICE)
    configure("redrive", log_format(None, os.environ), logging.WARNING)
    sys.stdout.buffer.write(msgspec.json.encode(carried_out(sys.stdin.buffer.read())))


if __name__ == "__main__":
    main()
