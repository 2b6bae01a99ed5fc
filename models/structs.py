"""Prepares structs for threads: msgspec knows each of them whole before any thread decodes one."""

from __future__ import annotations

from typing import Any

import msgspec


class Prepared(msgspec.StructMeta):
    """Metaclass of our structs: msgspec looks at a class when it is made, on the one thread that imports its module.

    Otherwise it does so at the first decoding, and keeps what it found on the class before it is complete. Of two
    threads that decode a class for the first time one may then read it half done, and the process crashes.

    What the fields of such a class name must be defined above it.

    >>> class Tea(msgspec.Struct, metaclass=Prepared):
    ...     grams: int
    >>> msgspec.json.decode(b'{"grams": 100}', type=Tea)
    Tea(grams=100)
    """

    def __init__(self, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> None:
        super().__init__(name, bases, namespace, **options)
        msgspec.msgpack.Decoder(self)


__all__ = ["Prepared"]
