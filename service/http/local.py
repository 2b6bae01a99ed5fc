"""Guards the roles that need no key against the browsers of this machine.

A web page from anywhere can make its visitor's browser send requests to a loopback address. Where the address is all
that protects a role, such a request must show that no foreign page is behind it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from service.http.bodies import CLOUD_EVENTS, NDJSON, content_type
from service.http.problems import Problem

_JSON = frozenset({"", "application/json", *CLOUD_EVENTS, *NDJSON})
# A form, or text, may be sent by a page without asking first; JSON may not. A browser always names a type or an origin.


def check(method: str, headers: Mapping[str, str], *, loopback: bool) -> None:
    """Let only requests pass that no foreign page can have caused.

    Args:
        method: The method of the request.
        headers: Its headers.
        loopback: Whether the service listens on a loopback address. Then `Host` must name one: a name of another
            machine that resolves to this one (DNS rebinding) is a page's.

    Raises:
        Problem: 403 for a foreign host or page, 415 for a body that is no JSON.
    """
    host = headers.get("host", "")
    if loopback and not is_loopback(_name(host)):
        raise _foreign(f"its Host is {host[:80]!r}, and this service listens on loopback")
    site = headers.get("sec-fetch-site", "none")
    if site not in {"same-origin", "none"}:
        raise _foreign(f"a page of another origin sent it (Sec-Fetch-Site: {site[:40]})")
    origin = headers.get("origin")
    if origin is not None:
        sent_from = origin.partition("://")[2]
        # A proxy on this machine may show the service under another port: the browser then says that it is one origin.
        behind_proxy = site == "same-origin" and "sec-fetch-site" in headers and is_loopback(_name(sent_from))
        if sent_from.lower() != host.lower() and not behind_proxy:
            raise _foreign(f"a page of {origin[:80]!r} sent it")
    name, _ = content_type(headers.get("content-type", ""))
    if method in {"POST", "PUT", "PATCH"} and name not in _JSON:
        raise Problem(
            "unsupported-type",
            f"Without a key only JSON is taken; this body has Content-Type {name[:80]!r}.",
            "Send it with Content-Type: application/json, or configure a key and send that.",
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0"), is_loopback("shop.example")
    (True, True, False, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _name(host: str) -> str:
    """The name in HOST:PORT, in lower case; "" when there is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _foreign(why: str) -> Problem:
    return Problem(
        "forbidden",
        f"Without a key only this machine is answered, and no page of another site: {why}.",
        "Send a key, after you configured one (service.keys_file), or use http://127.0.0.1 as the address.",
    )


__all__ = ["check", "is_loopback"]
