"""Limits what a request with a public key may write and ask for, and says what is allowed when it is refused.

A public key stands in the source of a page, so it proves nothing: it may do little, and its rate is bounded for each
key and each address.
"""

from __future__ import annotations

import re
from typing import Final

from models.records import EventRules
from service.http import PageAsk, Problem
from service.runtime import RateLimit
from streaming.settings import EventSettings, ServiceSettings

ROLE: Final = "beacon"
"""Role of a key that may stand in a page: it writes events of `service.beacon_types`, joins ids that the shop's server
has signed, and asks for recommendations where `service.beacon_recommend` says so."""

VISITOR: Final = re.compile(r"v-[0-9a-f]{32}")
"""Ids that a public key may ask for: 128 random bits, which nobody guesses. A user's number or address can be guessed,
and recommendations tell what somebody was looking at; a page goes on with the visitor's id after a login."""


class Beacons:
    """Rules and rate limits of public keys."""

    def __init__(self, service: ServiceSettings, events: EventSettings) -> None:
        self._settings = service
        self._origins = frozenset(service.beacon_origins)
        types = tuple(name for name in service.beacon_types if name in events.types)
        self.rules = EventRules(types, events.aliases, events.weights, events.max_bytes)
        self._by_key = RateLimit(service.beacon_rate)
        self._by_address = RateLimit(service.beacon_client_rate, 2 * service.beacon_client_rate)

    def check_origin(self, origin: str | None) -> None:
        """Raise Problem 403 unless the page has an allowed origin. Programs that are no browsers can claim any."""
        if origin not in self._origins:
            raise Problem(
                "forbidden",
                f"A public key writes from the pages of allowed origins only; this request says {origin or 'none'}.",
                "Add the shop's origin, as in https://shop.example, to service.beacon_origins.",
            )

    def check_size(self, length: int) -> None:
        """Raise Problem 413 for a body that is too long."""
        limit = self._settings.beacon_max_bytes
        if length > limit:
            raise Problem(
                "too-large",
                f"The body has {length} bytes, and with a public key at most {limit} are accepted.",
                "Send what a page did as it happens; the shop's server may send more at once.",
            )

    def check_recommend(self, ask: PageAsk, said: PageAsk) -> None:
        """Raise Problem 403 unless a page may ask for this.

        It must not learn what the shop keeps to itself: what other users looked at, why an item is there, other
        attributes, or, by filters of its own, their values.

        Args:
            ask: With the options of its scenario, which the shop has chosen.
            said: What the page says itself.
        """
        if not self._settings.beacon_recommend:
            raise Problem(
                "forbidden",
                "A public key asks for no recommendations here.",
                "Set service.beacon_recommend, or have the shop's server ask, with a key of role read.",
            )
        if ask.user_id is None or not VISITOR.fullmatch(ask.user_id):
            raise Problem(
                "forbidden",
                "A public key asks for a visitor with a random id only: v- and 32 hexadecimal digits as user_id.",
                "Ask with the visitor's id; POST /identify joins it with the user, and then it gets the user's slate.",
            )
        hidden = [name for name in ask.attributes if name not in self._settings.beacon_attributes]
        refused = {
            f"the attribute {hidden[0]!r}" if hidden else "": bool(hidden),
            "`filter`": bool(said.wanted.conditions),
            "`explain`": ask.explain,
            "the reasons for operators": ask.reasons == "operator",
        }
        what = next((name for name, yes in refused.items() if yes), None)
        if what is not None:
            raise Problem(
                "forbidden",
                f"A public key may not ask with {what}.",
                "service.beacon_attributes lists the attributes it may ask for; the shop's server may ask for all.",
            )

    def wait(self, key: str, address: str, now: float) -> float:
        """Seconds until this key and address may send again, 0 for now; `now` is monotonic seconds."""
        return self._by_address.take(f"{key} {address}", 1.0, now) or self._by_key.take(key, 1.0, now)


__all__ = ["ROLE", "VISITOR", "Beacons"]
