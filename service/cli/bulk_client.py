"""Asks a running service for the slates of many users, a thousand a request, and reads the lines as they come."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from http.client import HTTPException
from typing import Any, Final

from service.cli.problem_text import refusal

TOGETHER: Final = 1_000
"""Users of one request: the most that the service takes."""

PATIENCE: Final = 60.0
"""Seconds without a line after which a service counts as gone."""


class BulkTrouble(Exception):
    """The service did not answer. The message is for the user."""


class BulkBusy(BulkTrouble):
    """The service answers others, or cannot be reached: the same request may work in a moment."""


class BulkClient:
    """Plain HTTP against one service. The methods raise BulkTrouble."""

    def __init__(self, url: str, key: str = "") -> None:
        if not url.startswith(("http://", "https://")):
            raise BulkTrouble(f"{url!r} is not the address of a service: write it as http://HOST:PORT")
        self._url, self._key = url.rstrip("/"), key

    def slates(self, user_ids: Sequence[str], options: Mapping[str, Any]) -> Iterator[bytes]:
        """POST /recommend/batch: one line for each user, in their order, without its end."""
        body = json.dumps({**options, "user_ids": list(user_ids)}).encode()
        headers = {"Content-Type": "application/json", **({"X-API-Key": self._key} if self._key else {})}
        request = urllib.request.Request(f"{self._url}/recommend/batch", body, headers)  # noqa: S310 - http alone
        came = 0
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310 - http alone
                for line in answer:
                    if line.endswith(b"\n"):  # otherwise the connection broke off in the middle of it
                        came += 1
                        yield line[:-1]
        except urllib.error.HTTPError as error:
            raise _refusal(error.code, error.read()) from None
        except HTTPException:
            pass  # the connection broke off: told below
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise BulkBusy(
                f"no service answers at {self._url} ({reason}): is it running? Name another with --url"
            ) from None
        if came < len(user_ids):
            raise BulkBusy(f"the answer of {self._url} ended after {came} of {len(user_ids)} users")


def _refusal(status: int, body: bytes) -> BulkTrouble:
    text = refusal(status, body)
    busy = status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
    return BulkBusy(text) if busy else BulkTrouble(text)


__all__ = ["TOGETHER", "BulkBusy", "BulkClient", "BulkTrouble"]
