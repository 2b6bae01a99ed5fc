"""The API's description: it is valid and complete, and its examples are what the code takes."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from typer.testing import CliRunner

from models.records import ItemFacts, decode_item
from models.records.attributes import from_json
from models.records.events import Event, EventRules, _Wire, decode
from service.app import description
from service.cli.main import app
from service.http import CatalogueItem, SentEvent
from service.http.sample_bodies import EXAMPLES

DOCUMENT = description()
OPERATIONS = {
    described["operationId"]: (method, path, described)
    for path, methods in DOCUMENT["paths"].items()
    for method, described in methods.items()
}


def test_it_is_a_valid_description_and_refers_to_what_it_holds() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()
    references = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(DOCUMENT)))
    assert references == set(DOCUMENT["components"]["schemas"])


def test_an_operation_is_named_like_a_function_and_no_two_alike() -> None:
    assert len(OPERATIONS) == sum(map(len, DOCUMENT["paths"].values()))
    assert {"recommend", "send_events", "put_item", "delete_user", "roll_back"} <= OPERATIONS.keys()
    assert [name for name in OPERATIONS if not re.fullmatch(r"[a-z]+(_[a-z]+)*", name)] == []


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_part_of_an_operation_is_described(name: str) -> None:
    _, path, described = OPERATIONS[name]
    in_path = {each["name"] for each in described["parameters"] if each["in"] == "path"}
    assert in_path == set(re.findall(r"\{(\w+)\}", path))
    assert all(each["description"] and each["schema"] for each in described["parameters"])
    assert {"422", "500"} <= described["responses"].keys()
    assert ("401" in described["responses"]) == bool(described["security"])
    for each in (described.get("requestBody"), *described["responses"].values()):
        if each is not None:
            assert each["content"]
            for kind, content in each["content"].items():
                schema = content["schema"]
                assert schema == {"type": "string"} or "$ref" in schema or "anyOf" in schema, (kind, schema)
    if "requestBody" in described:
        assert {"400", "413", "415"} <= described["responses"].keys()


@pytest.mark.parametrize("kind", EXAMPLES, ids=lambda kind: kind.__name__)
def test_an_example_fits_its_type_and_its_schema(kind: type) -> None:
    schema = {"$ref": f"#/components/schemas/{kind.__name__}", "components": DOCUMENT["components"]}
    Draft202012Validator(schema).validate(EXAMPLES[kind])
    msgspec.convert(EXAMPLES[kind], kind, dec_hook=from_json)


def test_the_examples_of_an_event_and_of_an_item_are_taken() -> None:
    assert isinstance(decode(json.dumps(EXAMPLES[SentEvent]).encode(), EventRules()), Event)
    assert isinstance(decode_item(b"tea", json.dumps(EXAMPLES[ItemFacts]).encode()), ItemFacts)


def shape(kind: type) -> dict[str, Any]:
    schema = msgspec.json.schema(kind)["$defs"][kind.__name__]
    return {"properties": schema["properties"], "required": schema["required"]}


def test_the_described_event_is_the_one_that_is_decoded_and_its_time_may_be_missing() -> None:
    described, decoded = shape(SentEvent), shape(_Wire)
    kinds = decoded["properties"].pop("timestamp")["anyOf"]
    assert described["properties"].pop("timestamp")["anyOf"] == [*kinds, {"type": "null"}]
    assert described["required"] == [name for name in decoded["required"] if name != "timestamp"]
    assert described["properties"] == decoded["properties"]


def test_the_described_item_has_all_facts_as_they_are_decoded() -> None:
    described, decoded = (DOCUMENT["components"]["schemas"][name]["properties"] for name in ("SentItem", "ItemFacts"))
    assert {name: schema for name, schema in described.items() if name != "item_id"} == decoded


def test_an_item_of_the_catalogue_has_all_its_facts() -> None:
    assert CatalogueItem.__struct_fields__ == ("item_id", *ItemFacts.__struct_fields__)


@pytest.mark.parametrize(("prefix", "server"), [("", "/"), ("/reco", "/reco")])
def test_the_command_prints_it_and_starts_nothing(prefix: str, server: str) -> None:
    # Neither address exists: whatever would be opened would fail.
    nowhere = {"SLUICEGATE_KAFKA__BOOTSTRAP": "127.0.0.1:1", "SLUICEGATE_REDIS__URL": "redis://127.0.0.1:1/0"}
    done = CliRunner().invoke(app, ["openapi"], env={**nowhere, "SLUICEGATE_SERVICE__ROOT_PATH": prefix})
    assert done.exit_code == 0, done.output
    assert json.loads(done.output) == {**DOCUMENT, "servers": [{"url": server}]}
