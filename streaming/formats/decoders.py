"""The number of a schema in; its decoder, looked up once and kept, out.

A registry never gives a number to another schema, so what is known needs no look again, and a replay decodes as before.
"""

from __future__ import annotations

import contextlib
import importlib.util
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass
from typing import Final

from streaming.formats.decoded import Decoder
from streaming.formats.registry import Registered, SchemaRegistry, SchemaWaits, UnusableSchema
from streaming.settings import SchemaRegistrySettings

MOST: Final = 1_000
"""Decoders that are kept. The one looked up first goes first, and is looked up again when a record needs it."""

AGAIN: Final = 3.0
"""Seconds after which a schema that could not be had is looked up again."""

BRIEF: Final = 0.25
"""Seconds to wait for the answer then: other partitions wait as long."""

EXTRAS: Final = {"AVRO": ("avro", "fastavro"), "PROTOBUF": ("protobuf", "grpc_tools")}
"""Extra of `sluicegate` and its module, by the kind of schema."""


class FormatMissing(SchemaWaits):
    """The package that decodes these records is not installed."""

    def __init__(self, kinds: str, extra: str) -> None:
        super().__init__(f"{kinds} records need more here: pip install 'sluicegate[{extra}]' where this runs")


def installed(kind: str) -> bool:
    """Whether records of schemas of this kind can be decoded here."""
    return kind not in EXTRAS or importlib.util.find_spec(EXTRAS[kind][1]) is not None


def check_installed(settings: SchemaRegistrySettings) -> None:
    """Raise FormatMissing where there is a registry, and nothing that decodes its records."""
    if settings.url is not None and not any(map(installed, EXTRAS)):
        raise FormatMissing("schema_registry.url is set. Avro or Protobuf", "avro,protobuf")


@dataclass(slots=True)
class _Lookup:
    """What is known of one schema. A future ends with its decoder, with None when there is none, or with the error.

    Attributes:
        answer: The newest question to the registry.
        since: When it was asked, monotonic seconds.
        before: The question before it, while the newest is under way.
    """

    answer: Future[Decoder | None]
    since: float
    before: Future[Decoder | None] | None = None

    @property
    def open(self) -> bool:
        """Whether the answer is there and may be another one later."""
        if not self.answer.done():
            return False
        error = self.answer.exception()
        return isinstance(error, SchemaWaits) or (error is None and self.answer.result() is None)


class Decoders:
    """Decoders by the number of their schema.

    The registry is asked on a thread of its own. Only the first who needs a schema waits for it: while it hangs,
    partitions without its records go on.

    Args:
        settings: Where the registry is.
        clock: Monotonic seconds.
    """

    def __init__(self, settings: SchemaRegistrySettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._registry, self._patience, self._clock = SchemaRegistry(settings), settings.timeout, clock
        self._known: dict[int, _Lookup] = {}
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="schemas")

    def decoder(self, number: int) -> Decoder | None:
        """What decodes the records of a schema; None when the registry has no schema of this number.

        Raises:
            SchemaWaits: The schema cannot be had now.
            UnusableSchema: Nothing here can read records of it.
        """
        lookup, patience = self._known.get(number), 0.0
        if lookup is None:
            while len(self._known) >= MOST:
                del self._known[next(iter(self._known))]
            lookup = self._known[number] = _Lookup(self._ask(number), self._clock())
            patience = self._patience
        elif lookup.open and self._clock() >= lookup.since + AGAIN:
            lookup.before, lookup.answer, lookup.since = lookup.answer, self._ask(number), self._clock()
            patience = BRIEF
        with contextlib.suppress(NotYet):
            lookup.answer.exception(patience)
        known = lookup.answer if lookup.answer.done() else lookup.before
        if known is None:
            raise SchemaWaits(f"the schema registry has not answered yet for schema {number}")
        return known.result()

    def _ask(self, number: int) -> Future[Decoder | None]:
        return self._pool.submit(self._decoder, number)

    def _decoder(self, number: int) -> Decoder | None:
        schema = self._registry.schema(number)
        return None if schema is None else decoder_of(schema)

    def close(self) -> None:
        """Ask nothing more; a question under way ends by its own timeout."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def decoder_of(schema: Registered) -> Decoder:
    """What decodes the records of a schema. Raises SchemaWaits and UnusableSchema."""
    if not installed(schema.kind):
        raise FormatMissing(schema.kind.capitalize(), EXTRAS[schema.kind][0])
    if schema.kind == "AVRO":
        from streaming.formats.avro import avro_decoder

        return avro_decoder(schema)
    if schema.kind == "PROTOBUF":
        from streaming.formats.protobuf import protobuf_decoder

        try:
            return protobuf_decoder(schema)
        except OSError as error:  # nowhere to write, or no more processes
            raise SchemaWaits(f"a Protobuf schema cannot be compiled here ({error})") from error
    if schema.kind == "JSON":
        return bytes
    raise UnusableSchema(f"its type is {schema.kind[:40]}; AVRO, PROTOBUF and JSON are read")


__all__ = ["EXTRAS", "Decoders", "FormatMissing", "check_installed", "decoder_of", "installed"]
