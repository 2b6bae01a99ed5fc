"""`sluicegate gate`: shows the gate and its decisions, and asks it for changes, over the service's API."""

from __future__ import annotations

import json
import textwrap
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from models.gate import MODES, audit
from service.cli.errors import broken
from service.cli.exit_codes import UNSOUND
from service.cli.gate_client import GateTrouble
from service.cli.gate_options import AsJson, Config, Key, Reason, Revision, Url, client, done
from service.commands import quarantine

INTERVALS = {
    "reference": "challenger vs. reference",
    "champion": "challenger vs. champion",
    "probation": "champion vs. reference",
    "learnt": "learned ranking vs. baseline",
}
"""Comparisons whose interval `status` shows, and what they compare."""

VERSIONS = {"champion": "serving", "challenger": "head", "reference": "reference", "previous": "previous"}
"""Versions that `status` shows, and the fields of `GET /gate` that name them."""


WIDTH = 100
"""Columns of an explanation."""

OUTCOMES = {
    "served": "is served",
    "waiting": "waits",
    "replaced": "was served, and replaced by a newer version",
    "withdrawn": "was served, and withdrawn",
    "held": "was never served",
}
"""What became of a version, by the `status` of `GET /gate/explain`."""

EXAMPLES = (
    "Examples:\n\n"
    "sluicegate gate explain  # the challenger: what it waits for, and how long\n\n"
    "sluicegate gate explain 1042\n\n"
    "sluicegate gate explain 1042-3-9f3a0c --json"
)


def register(app: typer.Typer) -> None:
    """Add `gate` with its sub-commands."""
    group = typer.Typer(
        help="Show the gate that decides which version goes live, and ask it for changes.", no_args_is_help=True
    )
    group.command("status")(status)
    group.command("log")(show_log)
    group.command("explain", epilog=EXAMPLES)(explain)
    group.command("freeze")(freeze)
    group.command("thaw")(thaw)
    group.command("promote")(promote)
    group.command("rollback")(rollback)
    group.command("mode")(change_mode)
    group.command("verify")(verify)
    quarantine.register(group)
    app.add_typer(group, name="gate")


def status(config: Config = None, url: Url = None, key: Key = "", as_json: AsJson = False) -> None:
    """Show the gate: its mode, the versions, and the evidence with its intervals."""
    found = done(lambda: client(config, url, key).status())
    typer.echo(json.dumps(found) if as_json else "\n".join(_lines(found)))


def show_log(
    config: Config = None,
    url: Url = None,
    key: Key = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show decisions, newest first. With --json, one record per line with everything that went into it."""
    records = done(lambda: list(islice(client(config, url, key).decisions(), limit)))
    for raw in records:
        typer.echo(raw.decode() if as_json else _decision(json.loads(raw)))
    if not records and not as_json:
        typer.echo("no decision yet")


def explain(
    version: Annotated[str, typer.Argument(help="Id or number of a version; default: the challenger.")] = "",
    config: Config = None,
    url: Url = None,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Explain why a version went live or not, what would have to change, and how long that takes."""
    found = done(lambda: client(config, url, key).explanation(version))
    typer.echo(json.dumps(found) if as_json else "\n".join(_explained(found)))


def freeze(
    reason: Reason,
    config: Config = None,
    url: Url = None,
    key: Key = "",
    seconds: Annotated[
        float | None, typer.Option("--seconds", help="Seconds until the freeze ends by itself; default: a day.")
    ] = None,
    revision: Revision = None,
) -> None:
    """Let no version go live until `thaw`, or until the freeze ends by itself."""
    _change(config, url, key, "freeze", reason, revision, seconds=seconds)


def thaw(reason: Reason, config: Config = None, url: Url = None, key: Key = "", revision: Revision = None) -> None:
    """End a freeze: return to the mode before it."""
    _change(config, url, key, "thaw", reason, revision)


def promote(
    reason: Reason,
    config: Config = None,
    url: Url = None,
    key: Key = "",
    force: Annotated[bool, typer.Option("--force", help="Promote it even against the evidence.")] = False,
    revision: Revision = None,
) -> None:
    """Make the challenger the champion now, if it can be served and nothing speaks against it."""
    _change(config, url, key, "promote", reason, revision, force=force or None)


def rollback(reason: Reason, config: Config = None, url: Url = None, key: Key = "", revision: Revision = None) -> None:
    """Return to the reference, or to the version served before. Learning continues."""
    _change(config, url, key, "rollback", reason, revision)


def change_mode(
    mode: Annotated[str, typer.Argument(help=f"One of {', '.join(MODES)}.")],
    reason: Reason,
    config: Config = None,
    url: Url = None,
    key: Key = "",
    revision: Revision = None,
) -> None:
    """Set the mode: who decides which version goes live."""
    if mode not in MODES:
        raise typer.BadParameter(f"{mode!r} is not a mode: {', '.join(MODES)}", param_hint="MODE")
    _change(config, url, key, "mode", reason, revision, mode=mode)


def verify(config: Config = None, url: Url = None, key: Key = "") -> None:
    """Check the audit: hashes, the chain, and that each decision follows from its evidence."""
    asked = client(config, url, key)
    before = done(asked.status)
    records = done(lambda: list(asked.decisions()))[::-1]
    found = audit.complaints(records)
    if _ends_early(before, records):
        found.append(f"the record of revision {before['revision']}, the gate's last one, is gone or was never written")
    for line in (*found, *audit.unchecked(records)):
        typer.echo(line)
    if found:
        typer.echo(f"sluicegate: {len(found)} complaints about {len(records)} records", err=True)
        raise typer.Exit(UNSOUND)
    typer.echo(f"{len(records)} records: the chain is whole, and each decision follows from its evidence")


def _ends_early(status: dict[str, Any], records: list[bytes]) -> bool:
    """Whether the record that the gate wrote last, as its state says, is not among those that were read after it."""
    wanted = status["audit_hash"]
    return bool(wanted) and all(json.loads(raw).get("hash") != wanted for raw in reversed(records))


def _change(
    config: Path | None, url: str | None, key: str, verb: str, reason: str, revision: int | None, **more: Any
) -> None:
    found = done(lambda: client(config, url, key).change(verb, reason, revision, **more))
    gate = found["gate"]
    typer.echo(f"{found['action']}: {', '.join(found['reasons'])}")
    typer.echo(f"champion {gate['serving']}, mode {gate['mode']}, revision {gate['revision']}")
    if found["action"] == "hold":
        broken(
            GateTrouble(
                f"{verb} was not carried out: {', '.join(found['reasons'])} (docs/gate.md explains the reasons)"
            )
        )


def _lines(found: dict[str, Any]) -> list[str]:
    lines = [f"mode       {found['mode']} (revision {found['revision']})"]
    lines += [f"{word:10} {found[field] or '-'}" for word, field in VERSIONS.items()]
    if found["frozen_until"]:
        lines.append(
            f"frozen     until {_moment(found['frozen_until'])}: {found['mode_reason']} ({found['mode_actor']})"
        )
    if found["baseline"]:
        lines.append("the baseline, the best single source, orders slates instead of the learned ranking")
    if found["recovering"]:
        lines.append(f"recovering from a rollback, no promotion before {_moment(found['cool_until'])}")
    if found["last_action"]:
        lines.append(f"last       {found['last_action']}: {', '.join(found['last_reasons'])}")
    numbers = found["numbers"]
    lines += [_interval(name, words, numbers) for name, words in INTERVALS.items() if f"{name}_n" in numbers]
    lines += [
        _interval(f"anchor{place}", f"challenger vs. anchor {anchor['id']}", numbers)
        for place, anchor in enumerate(found.get("anchors", ()), 1)
        if f"anchor{place}_n" in numbers
    ]
    paused = (found["evidence"] or {}).get("paused")
    return [*lines, f"paused     {paused}"] if paused else lines


def _explained(found: dict[str, Any]) -> list[str]:
    told = found["explanation"]
    decision = f"decision {told['revision']} of {_moment(told['at'])}: {told['action']}"
    lines = [f"{found['version']} {OUTCOMES[found['status']]} ({decision})"]
    lines += _filled(told["why"], "  ")
    if found["ended"] is not None:
        lines.append(f"withdrawn by decision {found['ended']['revision']} of {_moment(found['ended']['at'])}")
        lines += _filled(found["ended"]["why"], "  ")
    if found["note"]:
        lines += _filled([found["note"]], "")
    if told.get("remedies"):
        lines.append("any of these would let the challenger go live" if len(told["remedies"]) > 1 else "what it takes")
        lines += _filled([remedy["text"] for remedy in told["remedies"]], "- ")
    return lines


def _filled(sentences: list[str], bullet: str) -> list[str]:
    """Each sentence on lines of its own, no wider than a terminal."""
    return [
        line
        for sentence in sentences
        for line in textwrap.wrap(
            sentence,
            WIDTH,
            initial_indent=bullet,
            subsequent_indent=" " * len(bullet),
            break_long_words=False,
            break_on_hyphens=False,
        )
    ]


def _interval(name: str, words: str, numbers: dict[str, float]) -> str:
    low, mean, high = (numbers[f"{name}_hit{part}"] for part in ("_low", "", "_high"))
    return f"{words}: hit rate {mean:+.4f} ({low:+.4f} to {high:+.4f}) in {numbers[f'{name}_n']:.0f} tested events"


def _decision(record: dict[str, Any]) -> str:
    versions = record["from_version"] or "nothing"
    if record["to_version"] != record["from_version"]:
        versions += f" -> {record['to_version']}"
    what = f"{record['action']:8} {', '.join(record['reasons'])}: {versions}"
    line = f"{_moment(record['at'])} {record['revision']:>6} {what}"
    return line if record["actor"] == "auto" else f"{line} ({record['actor']}: {record['detail']})"


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
