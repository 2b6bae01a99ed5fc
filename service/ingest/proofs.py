"""Checks that the shop's server has signed a pair of ids which a page wants to join.

A public key stands in the source of a page, so it proves nothing about who is logged in. With it alone, anybody could
join an id of their own with a user they only guess, write to that user's history and see it in the recommendations.
"""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path
from typing import Final

from service.http import Problem

SHORTEST: Final = 16
"""Characters of the secret at least. With a shorter one, somebody who has one proof could try all secrets."""


class Proofs:
    """The secret by which the shop's server signs pairs of ids.

    Args:
        file: File whose first line is the secret; None accepts no proof.

    Raises:
        OSError: The file cannot be read, or the secret is too short.
    """

    def __init__(self, file: Path | None) -> None:
        self._secret = b"" if file is None else _secret(file)

    def check(self, anonymous_id: str, user_id: str, proof: str | None) -> None:
        """Raise Problem 403 unless the proof is that of the pair."""
        if not self._secret:
            raise Problem(
                "forbidden",
                "A public key joins ids only with a proof, and this service has no secret to check one.",
                "Send the pair from the shop's server, with a key of role events; or set service.identify_secret_file.",
            )
        expected = proof_of(self._secret, anonymous_id, user_id)
        if proof is None or not hmac.compare_digest(expected.encode(), proof.encode()):
            raise Problem(
                "forbidden",
                "A public key joins ids only with the proof of the shop's server, and this is not that of these two.",
                "Have the server compute `proof` for exactly these two ids; docs/events.md says how.",
            )


def proof_of(secret: bytes, anonymous_id: str, user_id: str) -> str:
    """HMAC-SHA256 of both ids, hexadecimal. Ids have no control characters, so the line break divides them for sure.

    >>> proof_of(b"0123456789abcdef", "visitor-7", "ann")[:16]
    '8d38c53a93c0cf70'
    """
    return hmac.new(secret, f"{anonymous_id}\n{user_id}".encode(), hashlib.sha256).hexdigest()


def _secret(file: Path) -> bytes:
    try:
        found = file.read_text(encoding="utf-8-sig").split("\n", 1)[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        raise OSError(f"service.identify_secret_file: {file} cannot be used: {reason}") from error
    if len(found) < SHORTEST:
        raise OSError(
            f"service.identify_secret_file: the first line of {file} has {len(found)} characters: write at least "
            f"{SHORTEST} random ones there, such as the output of `openssl rand -hex 32`"
        )
    return found.encode()


__all__ = ["Proofs", "proof_of"]
