"""Records of somebody else's shape: what becomes an event, what is passed over, and where a refusal points."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from models.records.completions import Mentioned
from models.records.events import Event, EventRules, decode
from models.records.foreign.mapping import FIELDS, MAX_LINES, TIME, EventMapping, Path
from models.records.foreign.values import id_of
from models.records.rejections import REASONS, Rejection

NOW = 1_767_225_600.0  # 2026-01-01T00:00:00Z

SHOP: dict[str, Any] = {
    "fields": {
        "event_type": "action.kind",
        "user_id": "customer.id",
        "item_id": "lines[0].sku",
        "timestamp": "meta.occurred",
        "event_id": 'meta["event.id"]',
        "price": "lines[0].price.amount",
        "quantity": "lines[0].count",
    },
    "types": {"PRODUCT_VIEWED": "click", "ORDER_PLACED": "purchase", "HEARTBEAT": "none", "7": "cart"},
    "time": "microseconds",
}


def record(**changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = {
        "action": {"kind": "ORDER_PLACED"},
        "customer": {"id": 4711, "mail": "ann@example.org"},
        "lines": [{"sku": "kettle-2", "price": {"amount": "39.90"}, "count": "2"}],
        "meta": {"occurred": int(NOW * 1e6), "event.id": "o-991"},
    }
    return document | changes


def read(document: Any, *, key: bytes | None = None, at: float = NOW, **how: Any) -> Event | Rejection | None:
    raw = document if isinstance(document, bytes) or document is None else json.dumps(document).encode()
    return EventMapping(EventRules(), **(SHOP | how)).event(raw, key, at * 1000)


def test_a_nested_record_becomes_an_event_of_ours() -> None:
    assert read(record()) == Event(3, "4711", "kettle-2", NOW, event_id="o-991", price=39.9, quantity=2.0), (
        "ids that are numbers become text, numbers that are text become numbers"
    )


def test_a_word_of_theirs_that_is_no_event_is_passed_over_and_numbers_are_words_too() -> None:
    assert read({"action": {"kind": "HEARTBEAT"}}) is None
    assert read(record(action={"kind": "HEARTBEAT"}, meta={"occurred": "soon"})) is None, "nothing else is asked of it"
    cart = read(record(action={"kind": 7}))
    assert isinstance(cart, Event)
    assert cart.kind == 2


@pytest.mark.parametrize(
    ("word", "kind"),
    [("order_placed", 3), ("Product_Viewed", 0), ("heartbeat", None), ("PURCHASE", 3), ("View", None), ("view", 1)],
)
def test_a_word_in_another_case_is_the_listed_one_unless_two_differ_in_case_alone(word: str, kind: int | None) -> None:
    types = SHOP["types"] | {"VIEW": "none", "view": "favourite", "View": "none"}
    found = read(record(action={"kind": word}), types=types)
    assert (found.kind if isinstance(found, Event) else found) == kind
    odd = read(record(action={"kind": "vIEW"}), types=types)
    assert isinstance(odd, Event)
    assert odd.kind == 0, "two listed words say different things, so ours counts"


def test_the_key_and_the_time_of_the_record_can_be_taken() -> None:
    fields = SHOP["fields"] | {"user_id": "@key", "timestamp": "@time"}
    event = read(record(), key="zoë".encode(), at=NOW + 5, fields=fields)
    assert isinstance(event, Event)
    assert (event.user_id, event.timestamp) == ("zoë", NOW + 5)
    for key in (None, b"\xff"):
        refused = read(record(), key=key, fields=fields)
        assert isinstance(refused, Rejection)
        assert (refused.reason, refused.path) == ("missing_field", "@key")


@pytest.mark.parametrize("place", ["action", "customer", "lines", "meta"])
def test_half_of_a_surrogate_pair_beside_nan_is_no_json(place: str) -> None:
    """Python reads both, and could write neither: a record may hold them in any of its fields."""
    half = {"action": {"kind": "?"}, "customer": {"id": "?"}, "lines": [{"sku": "?"}], "meta": {"occurred": "?"}}
    raw = json.dumps(record(**{place: half[place]}) | {"weight": math.nan}).replace("?", "\\ud800").encode()
    refused = EventMapping(EventRules(), **SHOP).event(raw, None, NOW * 1000)
    assert isinstance(refused, Rejection)
    assert refused.reason == "not_json"


def test_a_constant_stands_where_their_record_says_nothing() -> None:
    fields = {name: path for name, path in SHOP["fields"].items() if name != "event_type"}
    event = read({**record(), "action": None}, fields=fields, constants={"event_type": "favourite"})
    assert isinstance(event, Event)
    assert event.kind == 1


@pytest.mark.parametrize(
    ("time", "zone", "value"),
    [
        ("auto", None, NOW),
        ("auto", None, NOW * 1000),
        ("auto", None, "2026-01-01T00:00:00Z"),
        ("auto", None, "1767225600"),
        ("auto", "Europe/Berlin", "2026-01-01 01:00:00"),
        ("auto", "Europe/Berlin", "2026-01-01T00:00:00+00:00"),
        ("seconds", None, "1767225600.0"),
        ("milliseconds", None, NOW * 1e3),
        ("nanoseconds", None, int(NOW) * 10**9),
        ("%d.%m.%Y %H:%M:%S", "Asia/Tokyo", "01.01.2026 09:00:00"),
        ("%Y%m%dT%H%M%S%z", None, "20260101T010000+0100"),
    ],
)
def test_times_of_other_units_and_formats_are_read(time: str, zone: str | None, value: object) -> None:
    event = read(record(meta={"occurred": value}), time=time, zone=zone)
    assert isinstance(event, Event), event
    assert event.timestamp == pytest.approx(NOW, abs=1e-3)


@pytest.mark.parametrize(
    ("changes", "reason", "path", "found"),
    [
        ({"customer": {}}, "missing_field", "$.customer.id", "nothing"),
        ({"customer": "ann"}, "missing_field", "$.customer.id", "nothing"),
        ({"customer": {"id": True}}, "wrong_type", "$.customer.id", "boolean true"),
        ({"customer": {"id": 1.5}}, "wrong_type", "$.customer.id", "number 1.5"),
        ({"customer": {"id": "a\nb"}}, "bad_value", "$.customer.id", 'string "a\\nb"'),
        ({"lines": []}, "missing_field", "$.lines[0].sku", "nothing"),
        ({"customer": {"id": "4.71E+12"}}, "bad_value", "$.customer.id", 'string "4.71E+12" rounded by a spreadsheet'),
        ({"customer": {"id": " NULL "}}, "missing_field", "$.customer.id", "nothing"),
        ({"action": {"kind": "SHRUG"}}, "unknown_type", "$.action.kind", 'string "SHRUG"'),
        ({"action": {}}, "missing_field", "$.action.kind", "nothing"),
        ({"meta": {"occurred": "yesterday"}}, "bad_timestamp", "$.meta.occurred", 'string "yesterday"'),
        ({"meta": {"occurred": 12}}, "bad_timestamp", "$.meta.occurred", "integer 12"),
        ({"customer": {"id": "[object Object]"}}, "missing_field", "$.customer.id", "nothing"),
        ({"meta": {"occurred": NOW}}, "bad_timestamp", "$.meta.occurred", "number 1767225600.0"),
    ],
)
def test_a_refusal_points_into_their_record(changes: dict[str, Any], reason: str, path: str, found: str) -> None:
    refused = read(record(**changes))
    assert isinstance(refused, Rejection), refused
    assert (refused.reason, refused.path, refused.found) == (reason, path, found)
    assert refused.expected


@pytest.mark.parametrize(
    ("changes", "left_out", "price", "quantity", "event_id"),
    [
        ({"lines": [{"sku": "k", "price": {"amount": "free"}}]}, {"price": 1}, None, None, "o-991"),
        ({"lines": [{"sku": "k", "price": {"amount": "39,90 €"}}]}, {}, 39.9, None, "o-991"),
        ({"lines": [{"sku": "k", "price": {"amount": ""}}]}, {}, None, None, "o-991"),
        ({"lines": [{"sku": "k", "price": {"amount": -2}}]}, {"price": 1}, None, None, "o-991"),
        ({"lines": [{"sku": "k", "count": 10**30}]}, {"quantity": 1}, None, None, "o-991"),
        ({"lines": [{"sku": "k", "count": "1e3"}]}, {}, None, 1000.0, "o-991"),
        ({"lines": [{"sku": "k"}], "meta": {"occurred": NOW * 1e6, "event.id": ""}}, {}, None, None, None),
        (
            {"lines": [{"sku": "k"}], "meta": {"occurred": NOW * 1e6, "event.id": "1.2E+9"}},
            {"event_id": 1},
            *[None] * 3,
        ),
    ],
)
def test_an_optional_field_never_costs_the_event(
    changes: dict[str, Any], left_out: dict[str, int], price: float | None, quantity: float | None, event_id: str | None
) -> None:
    counted: Counter[str] = Counter()
    mapping = EventMapping(EventRules(), **SHOP)
    event = mapping.event(json.dumps(record(**changes)).encode(), None, NOW * 1000, counted)
    assert isinstance(event, Event), event
    assert (event.item_id, event.price, event.quantity, event.event_id) == ("k", price, quantity, event_id)
    assert counted == left_out


@pytest.mark.parametrize(
    ("value", "user"),
    [
        (42, "42"),
        (42.0, "42"),
        ("42.0", "42"),
        (" ann ", "ann"),
        ("a\u00a0b", "a\u00a0b"),
        (9007199254740993123, None),
        ("\ufeffann\u200b", "ann"),
        ("a\u200bnn", "a\u200bnn"),
        ({"$oid": "65ab"}, "65ab"),
        ({"$numberLong": "42"}, "42"),
    ],
)
def test_ids_are_matched_however_they_are_written(value: object, user: str | None) -> None:
    event = read(record(customer={"id": value}))
    assert isinstance(event, Event)
    assert event.user_id == (user or str(value))


@pytest.mark.parametrize(
    "value",
    ["2026-01-01 00:00:00 UTC", "2026-01-01T00:00:00.000+0000", "2026-01-01T01:00:00+01:00[Europe/Berlin]",
     "2026-01-01T01:00:00[Europe/Berlin]", "2026/01/01 00:00:00Z", "Thu, 01 Jan 2026 00:00:00 GMT",
     "2026-01-01t00:00:00z", {"$date": "2026-01-01T00:00:00Z"}, int(NOW * 1e6), int(NOW * 1e9), str(int(NOW)),
     f" {NOW} "],
)  # fmt: skip
def test_files_and_mappings_take_the_same_spellings_of_a_time(value: object) -> None:
    event = read(record(meta={"occurred": value}), time="auto")
    assert isinstance(event, Event), event
    assert event.timestamp == NOW


@pytest.mark.parametrize("value", ["9999-12-31T23:59:59Z", "9999-12-31 00:00:00 UTC", "5138-11-17T00:00:00Z"])
def test_a_time_that_nobody_has_lived_is_not_read_as_milliseconds_of_the_past(value: str) -> None:
    refused = read(record(meta={"occurred": value}), time="auto")
    assert isinstance(refused, Rejection), refused
    assert (refused.reason, refused.path, refused.found) == ("bad_timestamp", "$.meta.occurred", f'string "{value}"')


def test_a_record_with_lines_becomes_an_event_for_each_of_them() -> None:
    fields = SHOP["fields"] | {"item_id": "lines[*].sku", "price": "lines[*].price.amount|price", "quantity": "count"}
    mapping = EventMapping(EventRules(), **(SHOP | {"fields": fields}))
    lines = [{"sku": "tea", "price": {"amount": 3}}, {"sku": "pot"}, {"price": 4}]
    found = mapping.events(json.dumps(record(lines=lines, price="7,50")).encode(), None, NOW * 1000)
    assert [each.item_id for each in found[:2] if isinstance(each, Event)] == ["tea", "pot"]
    assert [each.price for each in found[:2] if isinstance(each, Event)] == [3.0, 7.5]
    assert [each.event_id for each in found[:2] if isinstance(each, Event)] == ["o-991:1", "o-991:2"]
    assert isinstance(found[2], Rejection)
    assert found[2].path == "$.lines[2].sku"


def test_lists_in_the_members_of_a_list_become_events_too_and_lines_have_names_of_their_own() -> None:
    fields = {
        "user_id": "visitor",
        "event_id": "id",
        "event_type": "actions[*].type",
        "timestamp": "actions[*].at",
        "item_id": "actions[*].sku|actions[*].items[*].sku",
        "price": "actions[*].items[*].price",
    }
    mapping = EventMapping(EventRules(), fields, types={"order": "purchase"})
    visit = {
        "visitor": "v",
        "id": "n1",
        "actions": [
            {"type": "click", "at": NOW, "sku": "tea"},
            {"type": "order", "at": NOW, "items": [{"sku": "tea", "price": "3,50"}, {"sku": "pot"}, {"price": 1}]},
            {"type": "cart", "at": NOW, "sku": "pot", "items": []},
        ],
    }
    found = mapping.events(json.dumps(visit).encode(), None, 0.0)
    events = [each for each in found if isinstance(each, Event)]
    assert [(each.event_id, each.item_id, each.price) for each in events] == [
        ("n1:1", "tea", None),
        ("n1:2.1", "tea", 3.5),
        ("n1:2.2", "pot", None),
        ("n1:3", "pot", None),
    ]
    (refused,) = [each for each in found if isinstance(each, Rejection)]
    assert refused.path == "$.actions[1].sku or $.actions[1].items[2].sku"


def test_lists_may_be_text_that_holds_json_as_in_the_cells_of_a_table() -> None:
    fields = {"user_id": "who", "timestamp": "at", "item_id": "lines[*].sku", "price": "lines[*].cost.net"}
    mapping = EventMapping(EventRules(), fields, default_type="purchase")
    lines = json.dumps([{"sku": "tea", "cost": json.dumps({"net": 3})}, {"sku": "pot"}])
    found = mapping.events(json.dumps({"who": "u", "at": NOW, "lines": lines}).encode(), None, 0.0)
    assert [(each.item_id, each.price) for each in found if isinstance(each, Event)] == [("tea", 3.0), ("pot", None)]
    found = mapping.events(json.dumps({"who": "u", "at": NOW, "lines": "[broken"}).encode(), None, 0.0)
    assert [str(each).partition(":")[0] for each in found] == ["missing_field at $.lines[*].sku"]


@pytest.mark.parametrize("empty", [None, "", "  ", "NULL", "N/A", float("nan")])
def test_an_alternative_without_a_value_is_passed_over_however_it_is_spelled(empty: object) -> None:
    fields = SHOP["fields"] | {"user_id": "login|customer.id"}
    event = read(json.dumps(record(login=empty)).encode(), fields=fields)
    assert isinstance(event, Event)
    assert event.user_id == "4711"


def test_what_is_left_out_is_told_by_line_and_a_refused_line_leaves_nothing_out() -> None:
    fields = {"user_id": "u", "timestamp": TIME, "item_id": "l[*].id", "price": "l[*].p", "brand": "l[*].b"}
    mapping = EventMapping(EventRules(), fields, default_type="cart", also=("brand",), one_by_one=True)
    lines = [{"id": "tea", "p": 1}, {"id": "pot", "p": "free", "b": ["no"]}, {"p": "free"}, {"id": "cup", "p": "-"}]
    counted: Counter[str] = Counter()
    by_line: dict[int, tuple[str, ...]] = {}
    raw = json.dumps({"u": "ann", "l": lines}).encode()
    found = mapping.events(raw, None, NOW * 1000, counted, Mentioned(), by_line=by_line)
    assert [isinstance(each, Event) for each in found] == [True, True, False, True]
    assert by_line == {1: ("price", "brand"), 3: ("price",)}
    assert counted == {"price": 2, "brand": 1}


def test_a_record_with_too_many_lines_is_refused_whole() -> None:
    fields = {"user_id": "u", "timestamp": TIME, "item_id": "l[*]"}
    mapping = EventMapping(EventRules(max_bytes=1 << 20), fields, default_type="cart")
    full = json.dumps({"u": "ann", "l": [str(n) for n in range(MAX_LINES)]}).encode()
    assert len(mapping.events(full, None, NOW * 1000)) == MAX_LINES == mapping.at_most(full)
    over = json.dumps({"u": "ann", "l": [str(n) for n in range(MAX_LINES + 1)]}).encode()
    (refused,) = mapping.events(over, None, NOW * 1000)
    assert str(refused) == f"bad_value at $.l: expected at most {MAX_LINES} of them in one record, found more"
    hidden = b'{"u": "ann", "l": "[1\\u002c2\\u002c3\\u002c4]"}'
    assert mapping.at_most(hidden) == 2
    (refused,) = mapping.events(hidden, None, NOW * 1000)
    assert isinstance(refused, Rejection), "no record holds more events than there was room made for"


@given(
    st.recursive(st.none() | st.integers(0, 9) | st.text("ab,", max_size=3), lambda inner: st.lists(inner, max_size=4))
)
def test_no_record_holds_more_events_than_its_bytes_say(inner: Any) -> None:
    fields = {"user_id": "u", "timestamp": TIME, "item_id": "l[*][*]", "price": "l[*].p"}
    mapping = EventMapping(EventRules(), fields, default_type="cart")
    raw = json.dumps({"u": "ann", "l": inner}, separators=(",", ":")).encode()
    assert len(mapping.events(raw, None, NOW * 1000)) <= mapping.at_most(raw)


def test_missing_and_unknown_types_have_defaults_and_transforms_change_values() -> None:
    how = SHOP | {
        "default_type": "click",
        "unknown_type": "none",
        "transforms": {"user_id": ["lower", "hash"], "price": ["decimal ,", "divide 100"]},
    }
    mapping = EventMapping(EventRules(), **how, key=b"k")
    raw = json.dumps(
        record(action={}, customer={"id": "Ann@Example.org"}, lines=[{"sku": "k", "price": {"amount": "1.005"}}])
    )
    event = mapping.event(raw.encode(), None, NOW * 1000)
    assert isinstance(event, Event)
    assert (event.kind, event.price, len(event.user_id)) == (0, 10.05, 32)
    assert mapping.event(json.dumps(record(action={"kind": "SHRUG"})).encode(), None, NOW * 1000) is None


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (None, "empty"),
        (b"", "empty"),
        (b"{", "not_json"),
        (b"\xff{}", "not_json"),
        (b"[" * 60_000, "nesting"),
        (b" " * 70_000, "oversize"),
        (b"[]", "missing_field"),
        (b"7", "missing_field"),
    ],
)
def test_what_is_no_record_at_all_is_refused_like_ours(raw: bytes | None, reason: str) -> None:
    refused = read(raw)
    assert isinstance(refused, Rejection)
    assert refused.reason == reason


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"fields": {"event_type": "a", "user_id": "b"}}, "fields has no timestamp: say where their records have it"),
        ({"fields": SHOP["fields"] | {"itemid": "x"}}, "'itemid' is no field of ours: did you mean item_id?"),
        ({"fields": SHOP["fields"] | {"item_id": "a..b"}}, "'a..b' is not a path"),
        ({"fields": SHOP["fields"] | {"item_id": ""}}, "a path is empty"),
        ({"types": {"X": "clik"}}, "'X' is mapped to 'clik', which is no event type: view"),
        ({"time": "fortnights"}, "time is 'fortnights': write auto, seconds"),
        ({"time": "%d.%m.%Y"}, "name no zone: set zone"),
        ({"zone": "Mars/Olympus"}, "zone 'Mars/Olympus' is not known here"),
        ({"constants": {"price": 3.0}}, "price is in fields and in constants"),
        ({"fields": SHOP["fields"] | {"item_id": "a[*].b", "price": "c[*].d"}}, "go through two lists, $.a and $.c"),
        ({"fields": SHOP["fields"] | {"item_id": "a[*].b[*].c[*]"}}, "goes through more than 2 lists"),
        ({"fields": SHOP["fields"] | {"item_id": "a[*].b|c[*].b"}}, "go through two lists, $.a and $.c"),
        ({"transforms": {"price": ["round"]}}, "transforms.price: 'round' is none; there are strip, lower"),
        ({"transforms": {"user_id": ["hash"]}}, "transforms.user_id: hash needs a key"),
        ({"transforms": {"query": ["lower"]}}, "transforms.query: no path fills this field"),
        ({"unknown_type": "nope"}, "'unknown_type' is mapped to 'nope'"),
    ],
)
def test_a_mapping_that_cannot_work_is_refused_in_words_of_the_settings(how: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        EventMapping(EventRules(), **(SHOP | how))
    assert says in str(caught.value)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, ANY_JSON)), st.sampled_from(["auto", "seconds", "%d"]))
def test_whatever_a_record_holds_it_is_an_event_or_a_refusal(document: dict[str, Any], time: str) -> None:
    mapping = EventMapping(EventRules(), {field: field for field in FIELDS}, time=time, zone="UTC")
    answer = mapping.event(json.dumps(document).encode(), b"k", NOW * 1000)
    assert isinstance(answer, Event) or (isinstance(answer, Rejection) and answer.reason in REASONS)


@given(st.dictionaries(st.sampled_from(FIELDS), ANY_JSON))
def test_a_mapping_to_the_same_names_refuses_nothing_that_our_own_decoder_takes(document: dict[str, Any]) -> None:
    # Mappings read more than our own decoder does: blanks around text, words for nothing, ids that are numbers.
    assume(not any(isinstance(value, str) and id_of(value) != value for value in document.values()))
    document = {"event_type": "click", "user_id": "u", "item_id": "i", "timestamp": NOW} | document
    raw = json.dumps(document).encode()
    left_out: Counter[str] = Counter()
    ours = decode(raw, EventRules(), left_out)
    mapped = EventMapping(EventRules(), {field: field for field in FIELDS}).event(raw, None, NOW * 1000)
    if isinstance(ours, Event):
        assert isinstance(mapped, Event)
        assert msgspec.structs.replace(mapped, **dict.fromkeys(left_out)) == ours


def test_a_path_says_where_it_points() -> None:
    assert [str(Path(text)) for text in ("a.b", "$.a.b", "a[2].b", '["x.y"].z', "[0].a")] == [
        "$.a.b",
        "$.a.b",
        "$.a[2].b",
        '$["x.y"].z',
        "$[0].a",
    ]


CHANGES: dict[str, Any] = {
    "fields": {
        "event_type": "payload.after.kind",
        "user_id": "payload.after.user",
        "item_id": "payload.after.sku",
        "timestamp": "@time",
    },
    "time": "auto",
}
DELETE: dict[str, Any] = {"payload": {"before": {"kind": "click"}, "after": None, "op": "d"}}


@pytest.mark.parametrize("raw", [None, b"", b"null", DELETE, {"payload": None}, {}])
def test_deletes_and_tombstones_of_a_change_stream_are_skipped_where_the_mapping_says_so(raw: Any) -> None:
    refused = read(raw, **(CHANGES | {"types": {}}))
    assert isinstance(refused, Rejection)
    assert refused.reason in {"empty", "missing_field"}
    assert read(raw, **(CHANGES | {"types": {"@nothing": "none"}})) is None


def test_skipping_what_names_no_event_skips_no_event_and_no_fault() -> None:
    how = CHANGES | {"types": {"@nothing": "none", "bought": "purchase"}}
    row = {"kind": "bought", "user": "ann", "sku": "tea"}
    assert read({"payload": {"after": row}}, **how) == Event(3, "ann", "tea", NOW)
    for wrong in (row | {"user": None}, row | {"kind": "sold"}, row | {"kind": ["bought"]}):
        assert isinstance(read({"payload": {"after": wrong}}, **how), Rejection)


def test_an_operation_can_be_the_type() -> None:
    fields = {**CHANGES["fields"], "event_type": "payload.op"}
    how = CHANGES | {"fields": fields, "types": {"c": "purchase", "d": "none", "@nothing": "none"}}
    row = {"user": "ann", "sku": "tea"}
    assert read({"payload": {"after": row, "op": "c"}}, **how) == Event(3, "ann", "tea", NOW)
    assert read(DELETE, **how) is read(None, **how) is None


def test_nothing_can_only_be_skipped() -> None:
    with pytest.raises(ValueError, match='"@nothing" can only be mapped to none'):
        EventMapping(EventRules(), **(CHANGES | {"types": {"@nothing": "click"}}))


PREFIX = b"\x00\x00\x00\x00\x07"


def test_the_prefix_of_a_schema_registry_is_skipped_or_named() -> None:
    plain = json.dumps(record()).encode()
    assert read(PREFIX + plain) == read(plain)
    assert str(read(PREFIX + b"\x02\x0eann")).endswith("Protobuf: topics are read so with schema_registry.url")
    assert str(read(b"\x00{")) == "not_json at $: expected a JSON object, found a zero byte"
