"""`sluicegate gate` against a real service: what an operator reads and does from the shell."""

from __future__ import annotations

import json

from typer.testing import CliRunner, Result

from service.cli.main import app
from service.http.auth import digest
from streaming.settings.loading import Settings
from tests.conftest import eventually
from tests.support.processes.serving import Learner, Served, changed, service


def gate(served: Served, *words: str) -> Result:
    return CliRunner().invoke(app, ["gate", *words, "--url", served.base])


def live(served: Served, version: str) -> bool:
    return bool(json.loads(gate(served, "status", "--json").output)["serving"] == version)


def test_an_operator_looks_freezes_thaws_promotes_and_rolls_back(settings: Settings, taught: Learner) -> None:
    first = taught.commit()
    with service(changed(settings, gate={"cooldown": 0.01})) as served:
        eventually(lambda: live(served, first))
        assert f"champion   {first}" in gate(served, "status").output
        assert gate(served, "freeze", "--reason", "sale day", "--seconds", "600").exit_code == 0
        assert "sale day (local)" in gate(served, "status").output
        refused = gate(served, "promote", "--reason", "now")
        assert (refused.exit_code, "frozen" in refused.output) == (1, True)
        assert gate(served, "thaw", "--reason", "over").exit_code == 0
        assert gate(served, "mode", "manual", "--reason", "careful").exit_code == 0
        taught.learn([("user-1", "item-1")])
        second = taught.commit()
        eventually(lambda: json.loads(gate(served, "status", "--json").output)["head"] == second)
        assert "promote: requested, sound" in gate(served, "promote", "--reason", "release").output
        assert live(served, second)
        assert "rollback: requested" in gate(served, "rollback", "--reason", "bad slates").output
        assert live(served, first)
        log = gate(served, "log", "--limit", "3").output.splitlines()
        assert len(log) == 3
        assert any(f"rollback requested, sound: {second} -> {first} (local: bad slates)" in line for line in log)
        assert [json.loads(line)["revision"] for line in gate(served, "log", "--json").output.splitlines()]


def test_the_audit_is_verified_and_a_change_in_it_is_found(settings: Settings, taught: Learner) -> None:
    first = taught.commit()
    with service(settings) as served:
        eventually(lambda: live(served, first))
        for mode in ("manual", "strict", "continuous"):
            gate(served, "mode", mode, "--reason", "a walk")
        whole = gate(served, "verify")
        assert (whole.exit_code, "the chain is whole" in whole.output) == (0, True)
        key = taught.store.key("audit")
        entries = taught.store.call("XRANGE", key, "-", "+")
        taught.store.call("DEL", key)
        for entry, fields in entries:
            record = (
                dict(zip(fields[::2], fields[1::2], strict=True))[b"record"]
                if isinstance(fields, list)
                else fields[b"record"]
            )
            taught.store.call(
                "XADD", key, entry, "record", record.replace(b'"mode_after":"strict"', b'"mode_after":"frozen"')
            )
        forged = gate(served, "verify")
        assert forged.exit_code == 9
        assert "was changed after it was written" in forged.output


def test_verify_notices_that_the_last_record_is_gone_and_says_what_it_cannot_check(
    settings: Settings, taught: Learner
) -> None:
    with service(settings) as served:
        for mode in ("manual", "continuous", "manual"):
            assert gate(served, "mode", mode, "--reason", "a test").exit_code == 0
        key = taught.store.key("audit")
        entries = [entry for entry, _ in taught.store.decisions(100)]
        taught.store.call("XDEL", key, entries[-1])
        trimmed = gate(served, "verify")
        assert trimmed.exit_code == 0
        assert "are no longer kept: whether they were changed cannot be told" in trimmed.output
        taught.store.call("XDEL", key, entries[0])
        cut = gate(served, "verify")
        assert cut.exit_code == 9
        assert "the gate's last one, is gone" in cut.output


def test_mistakes_are_one_line_and_no_stack_trace(settings: Settings) -> None:
    nobody = CliRunner().invoke(app, ["gate", "status", "--url", "http://127.0.0.1:9"])
    assert (nobody.exit_code, "is it running?" in nobody.output) == (1, True)
    assert "write it as http://" in CliRunner().invoke(app, ["gate", "status", "--url", "here"]).output
    assert CliRunner().invoke(app, ["gate", "mode", "sideways", "--reason", "x"]).exit_code == 2
    with service(settings) as served:
        stale = gate(served, "freeze", "--reason", "late", "--revision", "7")
        assert (stale.exit_code, "revision 0" in stale.output) == (1, True)


def test_the_key_of_an_operator_may_stand_in_the_environment(settings: Settings) -> None:
    keys = (f"read:{digest('r-key')}", f"admin:{digest('a-key')}")
    with service(changed(settings, service={"keys": keys})) as served:

        def run(*words: str, key: str) -> Result:
            return CliRunner().invoke(app, ["gate", *words, "--url", served.base], env={"SLUICEGATE_KEY": key})

        assert run("status", key="r-key").exit_code == 0
        assert run("freeze", "--reason", "sale", key="a-key").exit_code == 0
        assert run("status", "--key", "wrong", key="r-key").exit_code == 1
        for key in ("", "wrong"):
            refused = run("status", key=key)
            assert (refused.exit_code, "needs a key with role read" in refused.output) == (1, True)
