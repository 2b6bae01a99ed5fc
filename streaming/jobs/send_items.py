"""Sends a file about items to the topic of items: a record an item, which replaces what was known of it.

The file is read once to say what is in it, and once to send it. A run that was stopped can be started again: facts
replace each other, so nothing counts twice.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from models.records import encode_item
from models.structs import Prepared
from streaming.files import Layout, Listed, RowFile, RowRefused, Survey, item_rows, look
from streaming.kafka import BrokerAway, Delivery, EventProducer, KafkaTrouble, RecordRefused

PATIENCE: Final = 60.0
"""Seconds that the broker may take to confirm one record before it counts as gone."""

IN_FLIGHT: Final = 5_000
"""Records in flight: some 5 MB, however large the file is."""

_TICK: Final = 1_024


class ItemsReport(msgspec.Struct, metaclass=Prepared):
    """What one run did.

    Attributes:
        file: Path of the file.
        sent: Records that the broker has.
        refused: Rows that hold no usable item, or that Kafka refuses for good.
        seconds: How long the run took.
        dry_run: Whether nothing was sent.
        refusals: The first refused rows.
        file_report: What was found in the file.
    """

    file: str
    sent: int = 0
    refused: int = 0
    seconds: float = 0.0
    dry_run: bool = False
    refusals: list[RowRefused] = msgspec.field(default_factory=list)
    file_report: dict[str, Any] = msgspec.field(default_factory=dict)


class ItemSender:
    """Sends one file. `report` is up to date at any moment.

    Args:
        file: The file.
        layout: How its columns are named.
    """

    def __init__(self, file: Path, layout: Layout) -> None:
        self._file, self._layout = file, layout
        self._named = look(file, layout)
        self._rows: RowFile | None = None
        self.survey = Survey(str(file))
        self.report = ItemsReport(str(file))

    def done(self) -> float:
        """Share of the file's bytes that were read, from 0 to 1."""
        return self._rows.done() if self._rows is not None else 0.0

    def look(self, tick: Callable[[], None] = lambda: None) -> Survey:
        """Read the file and say what is in it. Raises FileError."""
        with RowFile(self._file, self._layout.encoding) as self._rows:
            for count, _ in enumerate(item_rows(self._rows, self._named, self.survey)):
                if count % _TICK == 0:
                    tick()
        self.report.refused, self.report.refusals = self.survey.refused, list(self.survey.refusals)
        return self.survey

    def run(self, producer: EventProducer, tick: Callable[[], None] = lambda: None) -> ItemsReport:
        """Send every item.

        Raises:
            FileError: The file breaks off.
            KafkaTrouble: The broker went away.
        """
        began = time.monotonic()
        flying: deque[tuple[Listed, Delivery]] = deque()
        try:
            with RowFile(self._file, self._layout.encoding) as self._rows:
                for count, outcome in enumerate(item_rows(self._rows, self._named, Survey(str(self._file)))):
                    if isinstance(outcome, Listed):
                        self._send(outcome, producer, flying)
                    if count % _TICK == 0:
                        tick()
            while flying:
                self._land(flying)
        finally:
            self.report.seconds = time.monotonic() - began
        return self.report

    def _send(self, item: Listed, producer: EventProducer, flying: deque[tuple[Listed, Delivery]]) -> None:
        while len(flying) >= IN_FLIGHT:
            self._land(flying)
        value = encode_item(item.facts)
        while True:
            try:
                flying.append((item, producer.send("items", item.item_id, value)))
                return
            except RecordRefused as refused:
                self._refuse(item, refused)
                return
            except BrokerAway as away:
                if away.kind != "full" or not flying:
                    raise
                self._land(flying)

    def _land(self, flying: deque[tuple[Listed, Delivery]]) -> None:
        """Wait for the oldest record."""
        item, delivery = flying.popleft()
        with suppress(RecordRefused):
            delivery.wait(PATIENCE)
        error: KafkaTrouble | None = delivery.error
        if isinstance(error, RecordRefused):
            self._refuse(item, error)
        elif error is not None:
            raise error
        else:
            self.report.sent += 1

    def _refuse(self, item: Listed, why: RecordRefused) -> None:
        self.report.refused += 1
        self.report.refusals.append(RowRefused(item.line, str(why)))


__all__ = ["ItemSender", "ItemsReport"]
