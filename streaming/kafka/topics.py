"""In: the settings, and the topics a version knows. Out: which topics are learnt, and which of those known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from streaming.kafka.producer import Role
from streaming.settings.loading import Settings

ROLES_READ: Final[tuple[Role, ...]] = ("events", "items", "control")
"""Topics that are learnt under the offsets of a version."""


def topics_read(settings: Settings) -> list[str]:
    """Every topic that is learnt: ours, and those of another shape.

    >>> topics_read(Settings())
    ['events', 'items', 'control']
    """
    return [*(settings.topic(role) for role in ROLES_READ), *(each.topic for each in settings.mapping)]


def parted(settings: Settings, known: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Of a version's topics and their ids: those that count as its log, and those that are not read any more.

    A mapping may go, and find its place again when it comes back. But where one of our own topics is not known to the
    version, all of them belong to another log.

    >>> parted(Settings(), {"events": "a", "items": "b", "shop.orders": "c"})
    ({'events': 'a', 'items': 'b'}, {'shop.orders': 'c'})
    >>> parted(Settings(), {"clicks": "a", "items": "b"})
    ({'clicks': 'a', 'items': 'b'}, {})
    """
    read = set(topics_read(settings))
    if not {settings.topic("events"), settings.topic("items")} <= set(known):
        return dict(known), {}
    return {name: known[name] for name in known if name in read}, {n: known[n] for n in known if n not in read}


__all__ = ["ROLES_READ", "parted", "topics_read"]
