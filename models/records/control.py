"""A record of topic `control` in; the order that it holds, or a `Rejection`, out. Stage 1.

Control is data: an order is a record, read under offsets like events. A restart therefore repeats no order, and a model
that starts at the beginning of the topic carries out all of them.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from models.records.events import has_control
from models.records.rejections import Rejection, describe, refusal, unparsable
from models.structs import Prepared

MAX_CONTROL_BYTES: Final = 65_536
"""Most bytes of a record. An order has a few hundred."""

_Id = Annotated[str, Meta(pattern="^[A-Za-z0-9_.-]{1,64}$")]
_User = Annotated[str, Meta(min_length=1, max_length=256)]
_Words = Annotated[str, Meta(max_length=1024)]

_EXPECTED: Final = {
    "kind": "string, a kind of order this program knows",
    "id": "string of 1 to 64 letters, digits, _ . -",
    "version": "id of a version, as GET /gate shows them",
    "quarantine": "id of a quarantine, as GET /gate/quarantine lists them",
    "user": "string of 1 to 256 characters without control characters",
    "anonymous": "string of 1 to 256 characters without control characters, other than user",
    "attributes": "object of names and values",
    "actor": "string of at most 1024 characters",
    "reason": "string of at most 1024 characters",
}


class Erase(msgspec.Struct, metaclass=Prepared, frozen=True, tag_field="kind", tag="erase", omit_defaults=True):
    """Forget a user: events from before the record's time are no longer learned.

    Attributes:
        id: names the receipt.
        user: the user's id.
        actor: who gave the order.
    """

    id: _Id
    user: _User
    actor: _Words = ""


class Quarantine(
    msgspec.Struct, metaclass=Prepared, frozen=True, tag_field="kind", tag="quarantine", omit_defaults=True
):
    """Put the model back to a version, and hold the events since then in a quarantine.

    Attributes:
        id: names the quarantine.
        version: the version to go back to.
        actor: who gave the order.
        reason: why, for people.
    """

    id: _Id
    version: _Id
    actor: _Words = ""
    reason: _Words = ""


class Replay(msgspec.Struct, metaclass=Prepared, frozen=True, tag_field="kind", tag="replay", omit_defaults=True):
    """Learn the events of a quarantine after all."""

    id: _Id
    quarantine: _Id
    actor: _Words = ""
    reason: _Words = ""


class Drop(msgspec.Struct, metaclass=Prepared, frozen=True, tag_field="kind", tag="drop", omit_defaults=True):
    """Give up the events of a quarantine."""

    id: _Id
    quarantine: _Id
    actor: _Words = ""
    reason: _Words = ""


class Identify(msgspec.Struct, metaclass=Prepared, frozen=True, tag_field="kind", tag="identify", omit_defaults=True):
    """Join an id, such as that of an anonymous visitor, with a user: from now on both mean the user.

    Attributes:
        id: names the order.
        anonymous: the id that the user was known by.
        user: the user's id.
        actor: who said so.
    """

    id: _Id
    anonymous: _User
    user: _User
    actor: _Words = ""


class Describe(msgspec.Struct, metaclass=Prepared, frozen=True, tag_field="kind", tag="attributes", omit_defaults=True):
    """Set the attributes of a user. They replace all earlier ones; without any, the user has none.

    Attributes:
        id: names the order.
        user: the user's id.
        attributes: by name. Those that cannot be used are left out when it is carried out.
        actor: who said so.
    """

    id: _Id
    user: _User
    attributes: dict[str, Any]
    actor: _Words = ""


Order = Erase | Quarantine | Replay | Drop | Identify | Describe
"""Every kind of order. A new kind is a new struct of this union, with a tag of its own in the field `kind`."""

ORDER_KINDS: Final = ("erase", "quarantine", "replay", "drop", "identify", "attributes")
"""Tags of the orders. Closed: metric labels are made from it."""

_decoder: Final[msgspec.json.Decoder[Order]] = msgspec.json.Decoder(Order)


def decode_control(raw: bytes | None) -> Order | Rejection:
    """Decodes an order, or says why there is none. Never raises on input. Ignores unknown fields.

    >>> decode_control(b'{"kind": "erase", "id": "5f", "user": "ann"}')
    Erase(id='5f', user='ann', actor='')
    >>> print(decode_control(b'{"kind": "erase", "id": "5f"}'))
    missing_field at $.user: expected string of 1 to 256 characters without control characters, found nothing
    """
    if raw is None:
        return Rejection("empty", "$", "a JSON object", "no value")
    if (problem := unparsable(raw, MAX_CONTROL_BYTES)) is not None:
        return problem
    try:
        order = _decoder.decode(raw)
    except (msgspec.MsgspecError, RecursionError) as error:
        return refusal(raw, error, _EXPECTED)
    if isinstance(order, Erase | Identify | Describe) and has_control(order.user):
        return Rejection("bad_value", "$.user", _EXPECTED["user"], describe(order.user))
    if isinstance(order, Identify) and (has_control(order.anonymous) or order.anonymous == order.user):
        return Rejection("bad_value", "$.anonymous", _EXPECTED["anonymous"], describe(order.anonymous))
    return order


def encode_control(order: Order) -> bytes:
    """Encodes an order as JSON.

    >>> encode_control(Erase("5f", "ann"))
    b'{"kind":"erase","id":"5f","user":"ann"}'
    """
    return msgspec.json.encode(order)


__all__ = [
    "MAX_CONTROL_BYTES",
    "ORDER_KINDS",
    "Describe",
    "Drop",
    "Erase",
    "Identify",
    "Order",
    "Quarantine",
    "Replay",
    "decode_control",
    "encode_control",
]
