"""`sluicegate export recommendations` against a real service: files, and runs that were stopped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pyarrow import parquet
from typer.testing import CliRunner, Result

from service.cli import unfinished
from service.cli.main import app
from streaming.settings.loading import Settings
from tests.conftest import eventually
from tests.support.processes.serving import Learner, Served, service


def export(served: Served, out: Path, users: object, *words: str) -> Result:
    asked = ["export", "recommendations", "--url", served.base, "--out", str(out), "--users", str(users), *words]
    return CliRunner().invoke(app, asked)


def test_an_export_has_every_user_and_goes_on_after_a_stop(
    settings: Settings, taught: Learner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = taught.commit()
    users = tmp_path / "users.txt"
    users.write_text("".join(f"user-{n}\n" for n in range(20)) + "\n" + "x" * 300 + "\n")
    with service(settings) as served:
        eventually(lambda: served.get("/readyz").json()["version"] == version)
        out = tmp_path / "slates.ndjson"
        done = export(served, out, users, "--scenario", "email", "--option", "n=3")
        assert done.exit_code == 3, done.output
        assert "21 users" in done.output
        lines = [json.loads(line) for line in out.read_text().splitlines()]
        assert [line["user_id"] for line in lines] == [*(f"user-{n}" for n in range(20)), "x" * 300]
        assert all(len(line["items"]) == 3 for line in lines[:20])
        assert lines[20]["problem"]["status"] == 422
        assert sorted(path.name for path in tmp_path.iterdir()) == ["slates.ndjson", "users.txt"]
        assert export(served, out, users).exit_code == 2  # the file is there

        monkeypatch.setattr(unfinished, "TOGETHER", 8)
        table = tmp_path / "slates.parquet"
        users.write_text("".join(f"user-{n}\n" for n in range(20)))
        assert export(served, table, users, "--option", "exclude_in_view=false").exit_code == 0
        whole = parquet.read_table(table)
        assert whole.num_rows == 200
        assert set(whole.column("rank").to_pylist()) == set(range(1, 11))

        # What a run leaves that was killed in the middle of its second write: eight lines and a half.
        again, part = tmp_path / "again.parquet", tmp_path / "again.parquet.part"
        opened = unfinished.Unfinished(again, unfinished.Users(users), {"exclude_in_view": False})
        opened.add([json.dumps({"user_id": f"user-{n}", "items": []}).encode() for n in range(8)])
        with part.open("ab") as file:
            file.write(b'{"user_id": "user-8", "ite')
        other = export(served, again, users)
        assert (other.exit_code, "other options" in " ".join(other.output.split())) == (2, True)
        more = export(served, again, users, "--option", "exclude_in_view=false")
        assert (more.exit_code, "goes on after 8 of 20 users" in more.output) == (0, True), more.output
        found = parquet.read_table(again).column("user_id").to_pylist()
        assert set(found) == {f"user-{n}" for n in range(8, 20)}  # the first eight were not asked for again
        assert not part.exists()

        everybody = tmp_path / "all.ndjson"
        environment = {"SLUICEGATE_REDIS__URL": settings.redis.url, "SLUICEGATE_NAMESPACE": settings.namespace}
        monkeypatch.setenv("SLUICEGATE_REDIS__URL", environment["SLUICEGATE_REDIS__URL"])
        monkeypatch.setenv("SLUICEGATE_NAMESPACE", environment["SLUICEGATE_NAMESPACE"])
        assert export(served, everybody, "all").exit_code == 0
        named = {json.loads(line)["user_id"] for line in everybody.read_text().splitlines()}
        assert named == {f"user-{n}" for n in range(20)}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--out", "slates.csv", "--users", "all"], ".parquet"),
        (["--out", "slates.ndjson", "--users", "/no/such/file"], "/no/such/file"),
        (["--out", "slates.ndjson", "--users", "all", "--option", "n=1000"], "query.n"),
        (["--out", "slates.ndjson", "--users", "all", "--option", "number=3"], "query.number"),
    ],
)
def test_a_mistake_is_told_before_anything_is_asked(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told = CliRunner().invoke(app, ["export", "recommendations", *words])
    assert told.exit_code == 2
    assert said in told.output
    assert not list(tmp_path.iterdir())


def test_without_a_service_the_command_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    users = tmp_path / "users.txt"
    users.write_text("ann\n")
    told = CliRunner().invoke(app, [
        "export", "recommendations", "--users", str(users), "--out", str(tmp_path / "o.ndjson"),
        "--url", "http://127.0.0.1:1",
    ])  # fmt: skip
    assert told.exit_code == 1
    assert "the same command goes on" in told.output
