"""Says what happens in the service: an event and its fields, which `streaming.logs` writes."""

from __future__ import annotations

import logging
from typing import Any

LOGGER = logging.getLogger("sluicegate.service")


def say(event: str, **fields: Any) -> None:
    """Log at level info."""
    LOGGER.info(event, extra={"fields": fields})


def warn(event: str, **fields: Any) -> None:
    """Log at level warning."""
    LOGGER.warning(event, extra={"fields": fields})


def fault(event: str, **fields: Any) -> None:
    """Log at level error, with the exception that is being handled."""
    LOGGER.error(event, exc_info=True, extra={"fields": fields})


def refuse(event: str, **fields: Any) -> None:
    """Log at level error, without an exception: what was asked for cannot be."""
    LOGGER.error(event, extra={"fields": fields})


__all__ = ["LOGGER", "fault", "refuse", "say", "warn"]
