"""Records of a schema registry become records of JSON, wait for it, or say why they cannot be read."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from models.records import Event, EventRules, ItemFacts, Rejection, Unconverted, decode, decode_item
from streaming.formats import (
    Formats,
    RegistryAway,
    SchemaRegistry,
    SchemaWaits,
    UnusableSchema,
    decoders,
    protobuf,
    registry,
)
from streaming.formats.decoders import Decoders, FormatMissing, check_installed
from streaming.kafka import Converted
from streaming.settings import BadSettings, SchemaRegistrySettings, Settings, load_settings
from tests.conftest import eventually
from tests.support.processes.schema_registry import Registry
from tests.unit.streaming.test_formats_avro import LINE, written

NOW = 1_772_359_200.0
EVENT: dict[str, Any] = {
    "type": "record",
    "name": "Event",
    "fields": [{"name": name, "type": "string"} for name in ("event_type", "user_id", "item_id")]
    + [{"name": "timestamp", "type": {"type": "long", "logicalType": "timestamp-millis"}}],
}
CLICK = {"event_type": "click", "user_id": "ann", "item_id": "tea", "timestamp": int(NOW * 1000)}


class Sent(NamedTuple):
    """A record as the consumer hands it out."""

    value: bytes | None
    key: bytes | None = None
    topic: str = "events"
    timestamp: int = int(NOW * 1000) - 60_000
    partition: int = 0
    offset: int = 7
    headers: tuple[tuple[str, bytes], ...] = ()


def framed(number: int, raw: bytes) -> bytes:
    """A value as serializers of a schema registry write it."""
    return b"\0" + number.to_bytes(4, "big") + raw


@pytest.fixture
def found() -> Iterator[Registry]:
    with Registry() as opened:
        yield opened


def settings_of(url: str | None, **more: Any) -> Settings:
    names = {"url": url, "timeout": 60, **more}
    environ = {f"SLUICEGATE_SCHEMA_REGISTRY__{name.upper()}": str(each) for name, each in names.items() if each}
    return load_settings(None, environ)


@pytest.fixture
def formats(found: Registry) -> Iterator[Formats]:
    made = Formats(settings_of(found.url), ["events", "items", "control"], lambda: NOW)
    yield made
    made.close()


def converted(formats: Formats, record: Sent) -> Any:
    """The record as it is read. Raises what it waits for."""
    done, why = formats.converted([record])
    if why is not None:
        assert done == []
        raise why
    return done[0]


def rejection(value: bytes | None) -> str:
    answer = decode(value, EventRules())
    assert isinstance(answer, Rejection)
    return str(answer)


def test_an_event_in_avro_is_read_as_ours_and_its_bytes_are_kept(found: Registry, formats: Formats) -> None:
    raw = framed(found.register("events-value", json.dumps(EVENT)), written(EVENT, CLICK))
    record = converted(formats, Sent(raw))
    event = decode(record.value, EventRules())
    assert isinstance(event, Event)
    assert (event.user_id, event.item_id, event.timestamp) == ("ann", "tea", NOW)
    assert isinstance(record.value, Converted)
    assert record.value.original == raw
    assert (record.topic, record.partition, record.offset, record.timestamp) == ("events", 0, 7, Sent(b"").timestamp)
    assert converted(formats, Sent(raw)).value == record.value
    assert found.asked == ["/schemas/ids/1"]


def test_records_of_json_and_of_topics_of_no_concern_are_left_as_they_are(found: Registry, formats: Formats) -> None:
    plain = Sent(json.dumps(CLICK).encode())
    assert converted(formats, plain) is plain
    assert converted(formats, Sent(framed(9, plain.value or b""))).value == plain.value
    assert not formats.wanted("control")
    assert found.asked == []


def test_json_schema_is_a_type_of_its_own(found: Registry, formats: Formats) -> None:
    number = found.register("events-value", '{"type": "object"}', "JSON")
    record = converted(formats, Sent(framed(number, b" " + json.dumps(CLICK).encode())))
    assert isinstance(decode(record.value, EventRules()), Event)


def test_a_key_is_the_text_that_it_stands_for(found: Registry, formats: Formats) -> None:
    text, number = found.register("k", '"string"'), found.register("l", '"long"')
    whole = found.register("m", json.dumps({"type": "record", "name": "K", "fields": [{"name": "id", "type": "int"}]}))
    line = found.register("n", json.dumps(LINE))
    for raw, key in [
        (framed(text, b"\x06tea"), b"tea"),
        (framed(number, b"\x54"), b"42"),
        (framed(whole, b"\x54"), b"42"),
        (b"tea", b"tea"),
        (None, None),
    ]:
        assert converted(formats, Sent(None, raw, "items")).key == key
    odd = framed(line, written(LINE, {"sku": "tea", "count": 1}))
    assert converted(formats, Sent(None, odd, "items")).key == odd
    assert isinstance(decode_item(odd, b"{}"), Rejection)
    # Keys of other topics are not used, so nobody is asked for them.
    assert converted(formats, Sent(None, framed(99, b""), "events")).key == framed(99, b"")


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (framed(1, b"\x06an"), "undecodable at $: expected a record of schema 1, found bytes that do not fit it"),
        (
            framed(2, b"\x06an"),
            "unusable_schema at $: expected schema 2 to be one that can be read, found it is no Avro",
        ),
        (framed(3, b"\x06an"), "unusable_schema at $: expected schema 3 to be one that can be read, found its type is"),
        (framed(9, b"\x06an"), "unknown_schema at $: expected schema 9 in http://127.0.0.1"),
        (b"\0\0\0", "not_json at $: expected a JSON object, found a zero byte"),
    ],
)
def test_what_cannot_be_decoded_says_why_and_keeps_its_bytes(
    found: Registry, formats: Formats, raw: bytes, says: str
) -> None:
    for text, kind in [('"string"', "AVRO"), ("7", "AVRO"), ("x", "THRIFT")]:
        found.register("s", text, kind)
    value = converted(formats, Sent(raw)).value
    assert value == raw
    assert rejection(value).startswith(says)


def test_a_record_that_becomes_too_long_is_refused(found: Registry, formats: Formats) -> None:
    number = found.register("s", '"bytes"')
    raw = framed(number, written("bytes", b"x" * 900_000))
    assert rejection(converted(formats, Sent(raw)).value).startswith("oversize at $: expected at most")


def test_a_schema_that_cannot_be_compiled_now_is_waited_for(
    found: Registry, formats: Formats, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(**_: object) -> None:
        raise OSError("No usable temporary directory")

    monkeypatch.setattr(protobuf.tempfile, "TemporaryDirectory", no_room)
    with pytest.raises(SchemaWaits, match="cannot be compiled here"):
        converted(formats, Sent(framed(found.register("s", "message A {}", "PROTOBUF"), b"\0")))


def test_without_a_registry_such_a_record_says_which_setting_reads_it() -> None:
    formats = Formats(settings_of(None), ["events"])
    value = converted(formats, Sent(framed(7, b"\x06ann"))).value
    assert "(schema 7), Avro or Protobuf: topics are read so with schema_registry.url" in rejection(value)
    formats.close()


def test_a_registry_that_is_away_is_waited_for_and_asked_again(
    found: Registry, formats: Formats, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoders, "AGAIN", 0.0)
    raw = framed(found.register("s", '"string"'), b"\x06ann")
    found.close()
    with pytest.raises(RegistryAway, match="does not answer"):
        converted(formats, Sent(raw))
    with pytest.raises(RegistryAway, match="does not answer"):
        converted(formats, Sent(raw))
    found.open()

    def answered() -> bytes | None:
        try:
            return converted(formats, Sent(raw)).value
        except SchemaWaits:
            return None

    assert eventually(answered) == b'"ann"'


def test_a_new_record_waits_for_a_schema_that_is_not_there_yet(
    found: Registry, formats: Formats, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = framed(1, b"\x06ann")
    new = Sent(raw, timestamp=int(NOW * 1000) - 1_000)
    with pytest.raises(SchemaWaits, match="has no schema 1 yet"):
        converted(formats, new)
    for other in (Sent(raw), Sent(raw, timestamp=int(NOW * 1000) + 5_000)):
        assert isinstance(converted(formats, other).value, Unconverted)
    assert found.asked == ["/schemas/ids/1"]
    monkeypatch.setattr(decoders, "AGAIN", 0.0)
    found.register("s", '"string"')

    def answered() -> bytes | None:
        try:
            return converted(formats, new).value
        except SchemaWaits:
            return None

    assert eventually(answered) == b'"ann"'


def test_a_registry_that_hangs_is_waited_for_once(found: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    clear = threading.Event()
    ask = SchemaRegistry.schema

    def hang(self: SchemaRegistry, number: int) -> Any:
        clear.wait(100.0)
        return ask(self, number)

    monkeypatch.setattr(SchemaRegistry, "schema", hang)
    found.register("s", '"string"')
    looked_up = Decoders(SchemaRegistrySettings(url=found.url, timeout=0.05))
    for _ in range(3):
        with pytest.raises(SchemaWaits, match="has not answered yet for schema 1"):
            looked_up.decoder(1)
    clear.set()

    def there() -> object:
        try:
            return looked_up.decoder(1)
        except SchemaWaits:
            return None

    eventually(there)
    assert found.asked == ["/schemas/ids/1"]
    looked_up.close()


def test_so_many_schemas_are_kept_and_no_more(found: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoders, "MOST", 2)
    for text in ("string", "bytes", "long"):
        found.register("s", json.dumps(text))
    looked_up = Decoders(SchemaRegistrySettings(url=found.url, timeout=60))
    for number in (1, 2, 3, 3, 1):
        assert looked_up.decoder(number) is not None
    assert found.asked == [f"/schemas/ids/{number}" for number in (1, 2, 3, 1)]
    looked_up.close()


def test_a_schema_comes_with_those_that_it_names(found: Registry) -> None:
    asked = SchemaRegistry(SchemaRegistrySettings(url=found.url, timeout=60))
    found.register("a", "A")
    found.register("b", "B", references=[{"name": "a", "subject": "a", "version": 1}])
    found.register("c", "C", "PROTOBUF", [{"name": each, "subject": each, "version": 1} for each in ("b", "a")])
    assert asked.schema(3) == ("PROTOBUF", "C", (("a", "A"), ("b", "B")))
    assert asked.latest("c") == asked.schema(3)
    assert asked.latest("none") is None
    found.register("d", "D", references=[{"name": "x", "subject": "x", "version": 1}])
    with pytest.raises(UnusableSchema, match="version 1 of x, which the registry does not have"):
        asked.schema(4)


def test_a_schema_that_names_itself_or_too_many_is_refused(found: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = SchemaRegistry(SchemaRegistrySettings(url=found.url, timeout=60))
    found.register("a", "A", references=[{"name": "a", "subject": "a", "version": 1}])
    with pytest.raises(UnusableSchema, match="names itself"):
        asked.schema(1)
    names = [{"name": f"n{each}", "subject": "leaf", "version": 1} for each in range(4)]
    found.register("leaf", "L")
    found.register("b", "B", references=names)
    monkeypatch.setattr(registry, "REFERENCES", 3)
    with pytest.raises(UnusableSchema, match="more than 3 other schemas"):
        asked.schema(3)


def test_a_long_schema_is_refused(found: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "LARGEST", 100)
    found.register("a", "x" * 101)
    found.register("b", "x" * 500)
    for number in (1, 2):
        with pytest.raises(UnusableSchema, match="longer than 100 bytes"):
            SchemaRegistry(SchemaRegistrySettings(url=found.url, timeout=60)).schema(number)


def test_a_login_is_sent_and_never_shown(tmp_path: Any) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    with Registry(("shop", "s3cret")) as closed:
        closed.register("s", '"string"')
        good = settings_of(closed.url, username="shop", password_file=tmp_path / "secret").schema_registry
        assert SchemaRegistry(good).schema(1) == ("AVRO", '"string"', ())
        for bad in (settings_of(closed.url), settings_of(closed.url, username="shop", password="no")):
            with pytest.raises(
                RegistryAway, match=r"refuses us \(HTTP 401\): check schema_registry.username"
            ) as caught:
                SchemaRegistry(bad.schema_registry).schema(1)
            assert "no" not in repr(bad.schema_registry.password)
            assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("path", ["/nowhere", "/subjects/s/versions/x"])
def test_an_address_that_is_no_registry_is_told_from_a_schema_that_is_not_there(found: Registry, path: str) -> None:
    with pytest.raises(RegistryAway, match=r"is schema_registry.url right\?"):
        SchemaRegistry(SchemaRegistrySettings(url=found.url + path, timeout=60)).schema(1)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ({"url": "registry:8081"}, "an address such as http://registry:8081"),
        ({"url": "http://registry:port"}, "an address such as http://registry:8081"),
        ({"url": "http://a:b@registry"}, "a login belongs into username and password_file"),
        ({"url": "http://registry", "username": "a"}, "one of them is missing"),
        ({"url": "http://registry", "password": "a"}, "one of them is missing"),
    ],
)
def test_settings_that_cannot_work_are_refused(names: dict[str, str], says: str) -> None:
    with pytest.raises(BadSettings, match=says) as caught:
        settings_of(**names)
    assert "a:b" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "text", "extra"), [("AVRO", '"string"', "avro"), ("PROTOBUF", "message A {}", "protobuf")]
)
def test_a_missing_package_is_named_and_the_record_waits(
    found: Registry, formats: Formats, monkeypatch: pytest.MonkeyPatch, kind: str, text: str, extra: str
) -> None:
    monkeypatch.setattr(decoders, "EXTRAS", {kind: (extra, "no_such_module")})
    raw = framed(found.register("s", text, kind), b"\0")
    with pytest.raises(FormatMissing, match=rf"pip install 'sluicegate\[{extra}\]'"):
        converted(formats, Sent(raw))


def test_with_a_registry_and_nothing_installed_no_start_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    there = SchemaRegistrySettings(url="http://registry")
    check_installed(there)
    monkeypatch.setattr(decoders, "EXTRAS", {"AVRO": ("avro", "no_such_module")})
    check_installed(SchemaRegistrySettings())
    with pytest.raises(FormatMissing, match=r"pip install 'sluicegate\[avro,protobuf\]'"):
        check_installed(there)


@pytest.mark.parametrize("inner", [b'{"id":"\xff"}', b'{"\xff":1}', b'{"id":%s}' % (b"9" * 5_000), b'{"id":NaN}', b"{"])
def test_json_behind_the_bytes_of_a_registry_that_cannot_be_read_is_left_as_it_is(inner: bytes) -> None:
    formats, raw = Formats(load_settings(None, {}), ("events", "items")), framed(1, inner)
    assert formats.read("items", raw, b"{}", (), NOW * 1000)[0] == raw
    assert isinstance(decode_item(raw, b"{}"), Rejection)
    assert isinstance(decode(formats.read("events", None, raw, (), NOW * 1000)[1], EventRules()), Rejection)


def test_what_needs_no_registry_loads_no_decoder() -> None:
    script = (
        "import sys, streaming.formats; print([n for n in sys.modules if n.startswith(('fastavro', 'google', 'grpc'))])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


CE = (("ce_specversion", b"1.0"), ("ce_id", b"e-7"), ("ce_source", b"/shop"), ("ce_type", b"com.shop.view"))
CE_TIME = (*CE, ("ce_time", b"2026-03-01T10:00:00Z"))
STRUCTURED = {"specversion": "1.0", "id": "e-7", "source": "/shop", "type": "click", "time": "2026-03-01T10:00:00Z"}


def test_cloud_events_of_both_modes_are_events_of_ours_and_keep_their_bytes() -> None:
    formats = Formats(settings_of(None), ["events", "items"])
    data = {"user_id": "ann", "item_id": "tea"}
    for record in (
        Sent(json.dumps(data).encode(), headers=CE_TIME),
        Sent(json.dumps({**STRUCTURED, "data": data}).encode()),
        Sent(framed(9, json.dumps({**STRUCTURED, "data": data}).encode())),
    ):
        read = converted(formats, record)
        assert decode(read.value, EventRules()) == Event(0, "ann", "tea", NOW, "e-7")
        assert read.value.original == record.value
        assert read.headers == record.headers
    facts = converted(formats, Sent(json.dumps({**STRUCTURED, "data": {"price": 3}}).encode(), b"tea", "items"))
    assert decode_item(facts.key, facts.value) == ItemFacts(price=3.0)
    for untouched in (Sent(None, headers=CE), Sent(b"{}", headers=(("ce_id", b"7"),)), Sent(b"")):
        assert converted(formats, untouched).value == untouched.value
    formats.close()


def test_an_event_in_avro_can_have_an_envelope_in_its_headers(found: Registry, formats: Formats) -> None:
    schema = {**EVENT, "fields": EVENT["fields"][1:3]}
    raw = framed(found.register("events-value", json.dumps(schema)), written(schema, CLICK))
    read = converted(formats, Sent(raw, headers=CE_TIME))
    assert decode(read.value, EventRules()) == Event(0, "ann", "tea", NOW, "e-7")
    assert read.value.original == raw


@pytest.mark.parametrize("envelope", ["none", "cloudevents"])
def test_a_mapping_begins_at_the_envelope_where_it_says_so(envelope: str) -> None:
    mapping = {
        "topic": "theirs",
        "envelope": envelope,
        "fields": {"event_type": "type", "user_id": "data.who", "item_id": "data.what", "timestamp": "time"},
        "types": {"com.shop.view": "click"},
    }
    settings = load_settings(None, {"SLUICEGATE_MAPPING": json.dumps([mapping])})
    formats = Formats(settings, ["theirs"])
    read = converted(formats, Sent(b'{"who": 7, "what": "tea"}', topic="theirs", headers=CE_TIME))
    answer = settings.mappings()["theirs"].event(read.value, None, NOW * 1000)
    assert isinstance(answer, Event) == (envelope == "cloudevents")
    formats.close()
