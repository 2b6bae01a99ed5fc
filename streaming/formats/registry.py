"""The number of a schema in; its text and the schemas that it names out, as a schema registry answers.

It speaks the routes of Confluent's Schema Registry, which Karapace, Redpanda and Apicurio (below /apis/ccompat) have
too: https://docs.confluent.io/platform/current/schema-registry/develop/api.html
"""

from __future__ import annotations

import base64
import http.client
import ssl
import urllib.error
import urllib.parse
import urllib.request
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import msgspec

from models.structs import Prepared
from streaming.settings import SchemaRegistrySettings

LARGEST: Final = 1 << 20
"""Bytes of a schema with all that it names. Real ones have some thousands; a parser of a schema takes many times as
much memory."""

REFERENCES: Final = 100
"""Decoders that one schema may name, directly or not."""

NO_SCHEMA: Final = frozenset({40401, 40402, 40403})
"""Codes of an answer 404 that say that there is no such subject, version or schema. Any other 404 means a wrong
address."""


class SchemaWaits(Exception):
    """A schema cannot be had now. Its records have to wait: what they hold is not known to be wrong."""


class RegistryAway(SchemaWaits):
    """The registry does not answer, or refuses us."""


class UnusableSchema(Exception):
    """The registry has the schema, and nothing here can read records of it. The same schema stays unusable."""


class Registered(NamedTuple):
    """A schema of the registry.

    Attributes:
        kind: AVRO, PROTOBUF or JSON.
        text: The schema.
        named: Name and text of each schema that it names, each after those that it names itself.
    """

    kind: str
    text: str
    named: tuple[tuple[str, str], ...] = ()


class _Reference(msgspec.Struct, metaclass=Prepared):
    name: str
    subject: str
    version: int


class _Answer(msgspec.Struct, metaclass=Prepared, rename={"kind": "schemaType"}):
    schema: str
    kind: str = "AVRO"
    references: list[_Reference] | None = None


class _Refusal(msgspec.Struct, metaclass=Prepared):
    error_code: int = 0


class SchemaRegistry:
    """Asks the registry. Every call is bounded by `schema_registry.timeout`."""

    def __init__(self, settings: SchemaRegistrySettings) -> None:
        assert settings.url is not None, "there is a registry"
        self._settings, self._url = settings, settings.url

    def schema(self, number: int) -> Registered | None:
        """The schema with this number, None when the registry has none.

        Raises:
            RegistryAway: There is no answer, or one that says nothing of the schema.
            UnusableSchema: The schema is too large.
        """
        return self._whole(self._ask(f"/schemas/ids/{number}"))

    def latest(self, subject: str) -> Registered | None:
        """The newest schema of a subject, None when there is none. Raises as `schema`."""
        return self._whole(self._ask(f"/subjects/{urllib.parse.quote(subject, safe='')}/versions/latest"))

    def _whole(self, answer: _Answer | None) -> Registered | None:
        if answer is None:
            return None
        named: dict[str, str] = {}
        self._collect(answer, named, frozenset())
        if sum(map(len, [answer.schema, *named.values()])) > LARGEST:
            raise UnusableSchema(f"it is longer than {LARGEST} bytes")
        return Registered(answer.kind.upper(), answer.schema, tuple(named.items()))

    def _collect(self, answer: _Answer, named: dict[str, str], above: frozenset[str]) -> None:
        for reference in answer.references or ():
            if reference.name in named:
                continue
            if reference.name in above:
                raise UnusableSchema(f"it names itself: {reference.name}")
            if len(named) + len(above) >= REFERENCES:
                raise UnusableSchema(f"it names more than {REFERENCES} other schemas")
            subject = urllib.parse.quote(reference.subject, safe="")
            found = self._ask(f"/subjects/{subject}/versions/{reference.version}")
            if found is None:
                raise UnusableSchema(
                    f"it names version {reference.version} of {reference.subject}, which the registry does not have"
                )
            self._collect(found, named, above | {reference.name})
            named[reference.name] = found.schema

    def _ask(self, path: str) -> _Answer | None:
        request = urllib.request.Request(self._url + path)  # noqa: S310 - settings check the scheme
        request.add_header("Accept", "application/vnd.schemaregistry.v1+json, application/json")
        try:
            if self._settings.username is not None:
                request.add_header("Authorization", f"Basic {self._basic()}")
            # The request carries our secret, so redirects are not followed.
            opener = urllib.request.build_opener(
                _NoRedirects, urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=self._cafile))
            )
            with opener.open(request, timeout=self._settings.timeout) as answer:
                raw = answer.read(2 * LARGEST + 1)
        except urllib.error.HTTPError as error:
            with error:
                self._check_absent(error.code, error.read(LARGEST))
                return None
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            raise RegistryAway(f"the schema registry at {self._url} does not answer ({error})") from error
        if len(raw) > 2 * LARGEST:
            raise UnusableSchema(f"it is longer than {LARGEST} bytes")
        try:
            return msgspec.json.decode(raw, type=_Answer)
        except (msgspec.MsgspecError, UnicodeError) as error:
            raise self._odd("its answer holds no schema") from error

    def _check_absent(self, status: int, raw: bytes) -> None:
        """Raise RegistryAway unless a refusal says that the schema is not there."""
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise RegistryAway(
                f"the schema registry at {self._url} refuses us (HTTP {status}): check schema_registry.username and "
                "its password"
            )
        if status != HTTPStatus.NOT_FOUND:
            raise RegistryAway(f"the schema registry at {self._url} answers with HTTP {status}")
        try:
            code = msgspec.json.decode(raw, type=_Refusal).error_code
        except (msgspec.MsgspecError, UnicodeError):
            code = 0
        if code not in NO_SCHEMA:
            raise self._odd("HTTP 404")

    def _odd(self, what: str) -> RegistryAway:
        return RegistryAway(f"{self._url} does not answer as a schema registry ({what}): is schema_registry.url right?")

    def _basic(self) -> str:
        return base64.b64encode(f"{self._settings.username}:{self._settings.secret()}".encode()).decode()

    @property
    def _cafile(self) -> str | None:
        return str(self._settings.cafile) if self._settings.cafile is not None else None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow none; urllib then raises the answer as an error."""
        return
