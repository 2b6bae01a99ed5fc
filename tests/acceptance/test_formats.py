"""A topic in Avro and Protobuf on Apache Kafka, mapped: learned once, through a registry that is away and a kill."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

from tests.acceptance.conftest import Open
from tests.acceptance.test_kills import stop
from tests.support.processes.schema_registry import Registry
from tests.unit.streaming.test_formats_avro import written
from tests.unit.streaming.test_formats_formats import framed
from tests.unit.streaming.test_formats_protobuf import ITEM, TEXT, message

ACTION = {
    "type": "record",
    "name": "Action",
    "namespace": "shop",
    "fields": [
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["VIEW", "BUY"]}},
        {"name": "user_id", "type": "long"},
        {"name": "item", "type": {"type": "record", "name": "Item", "fields": [{"name": "sku", "type": "string"}]}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    ],
}
MAPPING = {
    "fields": {"event_type": "kind", "user_id": "user_id", "item_id": "item.sku", "timestamp": "at"},
    "types": {"VIEW": "click", "BUY": "purchase"},
}


def test_records_of_a_registry_are_learned_once_beside_ours(open_installation: Open) -> None:
    theirs = f"shop-{uuid.uuid4().hex[:8]}.actions"
    with Registry() as registry:
        avro = registry.register(f"{theirs}-value", json.dumps(ACTION))
        item = registry.register("item", ITEM, "PROTOBUF")
        proto = registry.register(
            f"{theirs}-value", TEXT, "PROTOBUF", [{"name": "shop/item.proto", "subject": "item", "version": 1}]
        )
        assert len({avro, item, proto}) == 3
        ours = open_installation(mapping=json.dumps([{"topic": theirs, **MAPPING}]), schema_registry__url=registry.url)
        admin = ours.admin()
        try:
            admin.create_topics({theirs: {"num_partitions": 2, "replication_factor": 1}}, wait_for_metadata=True)
        finally:
            admin.close()

        def send(place: int, outcome: str = "learnt", raw: bytes | None = None) -> None:
            now, user, sku = time.time(), place % 7, f"sku-{place % 11}"
            event: dict[str, Any] | None = {"event_type": "click", "user_id": str(user), "item_id": sku}
            if raw is None and place % 2:
                moment = {"seconds": int(now), "nanos": int(now % 1 * 1e9)}
                fields = {"kind": "VIEW", "user_id": str(user), "item": {"sku": sku}, "at": moment}
                raw = framed(proto, b"\x02\x02" + message("shop.Event", **fields))
            elif raw is None:
                action = {"kind": "VIEW", "user_id": user, "item": {"sku": sku}, "at": int(now * 1e6)}
                raw = framed(avro, written(ACTION, action))
            else:
                event = None
            ours._post(theirs, raw, str(user).encode(), now, event, outcome)

        learner = ours.learner()
        for place in range(40):
            send(place)
        ours.wait_learnt(learner)
        learner.kill()
        registry.close()
        for place in range(40, 60):
            send(place)
        ours.flush()
        learner = ours.learner(wait=False)
        ours.wait(lambda: "the schema registry" in str(learner.get("/readyz")), "it says what it waits for", learner)
        registry.open()
        send(0, "rejected", framed(avro, b"\x02"))
        ours.wait_learnt(learner)
        stop(ours, learner)  # each record consumed once, each event learned once, histories whole
    (letter,) = ours.read(ours.settings.topic("deadletter"), 1)
    headers = {name.removeprefix("sluicegate-"): value.decode() for name, value in letter.headers}
    assert (headers["reason"], headers["topic"], letter.value) == ("undecodable", theirs, framed(avro, b"\x02"))
