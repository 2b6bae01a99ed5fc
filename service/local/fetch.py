"""One plain GET between our own processes."""

from __future__ import annotations

import http.client

TIMEOUT = 5.0
"""Seconds one answer may take."""


def fetch(port: int, path: str, timeout: float = TIMEOUT, host: str = "127.0.0.1") -> tuple[int, bytes]:
    """Status and body of a GET. Raises OSError when there is no answer, or one that is not HTTP."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except http.client.HTTPException as error:
        raise OSError(f"no HTTP answer from port {port}: {error!r}") from error
    finally:
        connection.close()
