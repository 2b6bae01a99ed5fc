"""A refusal of the service in; one line that says why and what to do, out."""

from __future__ import annotations

import json


def refusal(status: int, body: bytes) -> str:
    """What a problem document says happened, and what to do; the status and the text of another answer.

    >>> refusal(422, b'{"detail": "No such item.", "next": "Check the id."}')
    'No such item. Check the id.'
    """
    try:
        problem = json.loads(body)
        return f"{problem['detail']} {problem['next']}"
    except (ValueError, KeyError, TypeError):
        return f"the service answered {status}: {body[:200].decode(errors='replace')}"


__all__ = ["refusal"]
