"""The gate over a Redis that something else has written to: garbage is named, ends nothing, and people can act."""

from __future__ import annotations

import json

import msgspec
from typer.testing import CliRunner

from models.snapshot.manifest import seal
from service.cli.main import app
from streaming.settings.loading import Settings
from tests.conftest import eventually
from tests.integration.service.test_gate import command, complaints, decisions, serving, standing
from tests.support.processes.serving import Learner, changed, service


def test_garbage_in_the_audit_is_complained_of_and_ends_no_page(settings: Settings, taught: Learner) -> None:
    first = taught.commit()
    with service(settings) as served:
        eventually(lambda: serving(served, first))
        command(served, "mode", mode="manual")
        check, store = served.context.audit, served.context.store
        check.look()
        assert check.faults == []
        key = store.key("audit")
        store.call("XADD", key, "*", "record", "garbage")
        store.call("XADD", key, "*", "something", "else")
        store.call("XADD", key, "*", "record", '{"revision": "seven"}')
        command(served, "mode", mode="continuous")
        check.look()
        assert [fault.partition(" of the audit is no record: ")[1] != "" for fault in check.faults] == [True] * 3
        assert served.sample("sluicegate_gate_audit_faults") == 3
        shown = [each.action for each in decisions(served)]
        assert shown == ["promote", "mode", "unreadable", "unreadable", "unreadable", "mode"]
        assert served.get("/gate/explain", params={"version": first}).json()["status"] == "served"
        verified = CliRunner().invoke(app, ["gate", "verify", "--url", served.base])
        assert verified.exit_code == 9
        assert verified.output.count("of the audit is no record") == 3
        # The newest record is removed, and no other one follows that would show it.
        store.call("XDEL", key, store.decisions(1)[0][0])
        check.look()
        assert "the record that the gate wrote last" in check.faults[-1]
        assert len(check.faults) == 4


def test_a_state_of_the_gate_that_cannot_be_read_stops_decisions_until_a_mode_is_ordered(
    settings: Settings, taught: Learner
) -> None:
    first = taught.commit()
    head = taught.store.manifest(first)
    other = msgspec.structs.replace(head, evidence=head.evidence | {"standing": {"lag": "of another release"}})
    taught.store.call("SET", taught.store.key("meta", first), seal(other))
    gate = taught.store.key("gate")
    with service(settings) as served:
        eventually(lambda: serving(served, first))
        assert "a form that this release does not read" in served.get("/gate").json()["evidence"]["paused"]
        # At the revision that it knows, it knows the state as well.
        taught.store.call("HSET", gate, "state", "garbage")
        taught.learn([("user-1", "item-1")])
        second = taught.commit()
        eventually(lambda: serving(served, second))
        assert json.loads(taught.store.gate().state)["mode"] == "continuous"
        # Somebody has decided since, and wrote what cannot be read.
        taught.store.call("HSET", gate, "state", '{"mode": "of another release"}', "revision", 90)
        eventually(lambda: "revision 90 cannot be read" in (served.get("/gate").json()["store_error"] or ""))
        taught.learn([("user-1", "item-1")])
        third = taught.commit()
        refused = command(served, "promote", force=True)
        assert (refused.status_code, "The gate decides nothing" in refused.json()["detail"]) == (503, True)
        assert serving(served, second)
        assert command(served, "mode", mode="continuous").status_code == 200
        eventually(lambda: serving(served, third))
        assert served.get("/gate").json()["store_error"] is None


def test_a_reference_that_is_gone_is_replaced_and_is_no_dead_end_for_an_operator(
    settings: Settings, taught: Learner
) -> None:
    first = taught.commit()
    with service(changed(settings, gate={"cooldown": 0.01})) as served:
        eventually(lambda: serving(served, first))
        versions = [first]
        for _ in range(2):
            taught.learn([("user-1", "item-1")])
            taught.checkpointer.rebase()
            versions.append(taught.commit())
            eventually(lambda: serving(served, versions[-1]))
        assert served.get("/gate").json()["reference"] == first
        taught.store.call("UNLINK", taught.store.key("meta", first))
        # It is shown to be worse than the lost one, and no anchor is there: it stays, and the decision says why.
        taught.learn([("user-1", "item-1")])
        taught.commit(standing(first, -400.0))
        eventually(lambda: decisions(served)[-1].reasons == ("harm", "reference_lost"))
        assert command(served, "rollback").json()["reasons"] == ["requested", "sound"]
        assert serving(served, versions[1])
        taught.learn([("user-1", "item-1")])
        last = taught.commit()
        eventually(lambda: serving(served, last))
        assert decisions(served)[-1].reasons == ("sound", "reference_lost")
        assert decisions(served)[-1].reference == versions[1]
        assert complaints(decisions(served)) == []
