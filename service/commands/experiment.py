"""`sluicegate experiment`: lists, shows, starts, stops and deletes experiments on users, over the service's API."""

from __future__ import annotations

import json
import textwrap
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from models.experiments import METRICS
from service.cli.gate_options import AsJson, Config, Key, Reason, Url, client, done

Name = Annotated[str, typer.Argument(help="Name of the experiment.")]
Arms = Annotated[
    list[str],
    typer.Option("--arm", help="NAME=SHARE, then options after commas, as bold=0.5,diversity=0.4. Two or more."),
]

NUMBERS = frozenset({"diversity", "rotate", "explore", "price_min", "price_max"})
"""Options of an arm that are numbers."""

LISTS = frozenset({"tags_all", "tags_any", "filter"})
"""Options of an arm that have several values, separated by +."""

WIDTH = 100
"""Columns of a sentence."""

EXAMPLES = (
    "Examples:\n\n"
    "sluicegate experiment start variety --arm plain=0.5 --arm varied=0.5,diversity=0.4 --reason 'more clicks?'\n\n"
    "sluicegate experiment start worth --metric revenue --arm all=0.9 --arm popular=0.1,order=popularity --reason why"
)
SHOWN = (
    "Examples:\n\nsluicegate experiment show variety\n\nsluicegate experiment show variety --segment plan:pro\n\n"
    "sluicegate experiment show holdout --json"
)


def register(app: typer.Typer) -> None:
    """Add `experiment` with its sub-commands."""
    group = typer.Typer(help="Experiments on users: which way of making slates serves them best.", no_args_is_help=True)
    group.command("list", epilog="Example: sluicegate experiment list")(show_all)
    group.command("show", epilog=SHOWN)(show)
    group.command("start", epilog=EXAMPLES)(start)
    group.command("stop", epilog="Example: sluicegate experiment stop variety --reason 'we know enough'")(stop)
    group.command("delete", epilog="Example: sluicegate experiment delete variety")(delete)
    app.add_typer(group, name="experiment")


def show_all(config: Config = None, url: Url = None, key: Key = "", as_json: AsJson = False) -> None:
    """List the experiments, the latest first."""
    found = done(lambda: client(config, url, key).experiments())
    if as_json:
        typer.echo(json.dumps(found))
        return
    for each in found["experiments"]:
        arms = ", ".join(f"{arm['name']} {arm['share']:g}" for arm in each["arms"])
        typer.echo(f"{each['name']:20} {each['state']:9} since {_moment(each['start'])}  {each['verdict']:12} {arms}")
    if not found["experiments"]:
        typer.echo("there is no experiment; sluicegate experiment start --help shows how to begin one")


def show(
    name: Name,
    config: Config = None,
    url: Url = None,
    key: Key = "",
    segment: Annotated[
        str, typer.Option("--segment", help="Only its users: one of setting learner.segments, as plan:pro.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Show how the arms do: rates, lifts, and whether a difference is shown."""
    found = done(lambda: client(config, url, key).experiment(name, segment))
    typer.echo(json.dumps(found) if as_json else "\n".join(_lines(found)))


def start(
    name: Name,
    arm: Arms,
    reason: Reason,
    config: Config = None,
    url: Url = None,
    key: Key = "",
    metric: Annotated[str, typer.Option("--metric", help=f"What decides: {', '.join(METRICS)}.")] = "click",
    control: Annotated[str, typer.Option("--control", help="Arm to compare with; default: the first.")] = "",
    begin: Annotated[str, typer.Option("--start", help="When, as 2026-03-01T00:00:00Z; default: now.")] = "",
    end: Annotated[str, typer.Option("--end", help="Until when; default: until it is stopped.")] = "",
    minimum_days: Annotated[
        float | None, typer.Option("--minimum-days", help="Days before which nothing is concluded; default: 7.")
    ] = None,
    largest_purchase: Annotated[
        float | None, typer.Option("--largest-purchase", help="The most one purchase counts; default: 1000.")
    ] = None,
    segment: Annotated[str, typer.Option("--segment", help="Only users whose attributes meet it, as plan:pro.")] = "",
    as_json: AsJson = False,
) -> None:
    """Start an experiment: users are divided among its arms, and each keeps its arm."""
    body = {
        "name": name,
        "arm": [parsed_arm(each) for each in arm],
        "metric": metric,
        "control": control,
        "start": begin or None,
        "end": end or None,
        "minimum_days": minimum_days,
        "largest_purchase": largest_purchase,
        "segment": segment or None,
        "reason": reason,
    }
    found = done(lambda: client(config, url, key).start_experiment({k: v for k, v in body.items() if v is not None}))
    typer.echo(json.dumps(found) if as_json else f"{name} starts at {_moment(found['start'])}")


def stop(name: Name, reason: Reason, config: Config = None, url: Url = None, key: Key = "") -> None:
    """Stop an experiment: all users get what they would without it. Its results stay."""
    found = done(lambda: client(config, url, key).stop_experiment(name, reason))
    typer.echo("\n".join(_lines(found)))


def delete(name: Name, config: Config = None, url: Url = None, key: Key = "") -> None:
    """Forget an experiment that is over, with its results."""
    found = done(lambda: client(config, url, key).delete_experiment(name))
    typer.echo(f"{name} is deleted; {len(found['experiments'])} experiments are left")


def parsed_arm(text: str) -> dict[str, Any]:
    """An arm as the API takes it, from NAME=SHARE,OPTION=VALUE,... Raises BadParameter.

    >>> parsed_arm("bold=0.5,diversity=0.4,tags_any=new+sale")
    {'name': 'bold', 'share': 0.5, 'diversity': 0.4, 'tags_any': ['new', 'sale']}
    """
    found: dict[str, Any] = {}
    for place, part in enumerate(text.split(",")):
        name, equals, value = part.partition("=")
        if not (name and equals and value):
            raise typer.BadParameter(f"{part!r} is not NAME=SHARE or OPTION=VALUE", param_hint="--arm")
        if place == 0:
            found = {"name": name, "share": _number(part, value)}
        elif name in LISTS:
            found[name] = value.split("+")
        else:
            found[name] = _number(part, value) if name in NUMBERS else value
    return found


def _number(part: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise typer.BadParameter(f"{part!r}: {value!r} is no number", param_hint="--arm") from None


def _lines(found: dict[str, Any]) -> list[str]:
    until = f" until {_moment(found['end'])}" if found["end"] else ""
    among = f", among users with {found['segment']}" if found["segment"] else ""
    whose = f", users with {found['among']}," if found["among"] else ""
    begun = f"{found['name']}{whose} {found['state']} since {_moment(found['start'])}{until}"
    lines = [f"{begun}, decided by {found['metric']}{among}"]
    for sentence in found["conclusion"]:
        lines += textwrap.wrap(sentence, WIDTH, initial_indent="  ", subsequent_indent="  ")
    metric = found["metric"]
    lines.append(f"{'arm':16} {'share':>6} {'users':>9} {'slates':>9} {metric:>12} {'per slate':>22} {'per user':>22}")
    for arm in found["arms"]:
        measured, users = arm["measures"][metric], "-" if arm["users"] is None else f"{arm['users']:,}"
        rates = f"{_rate(measured['per_slate']):>22} {_rate(measured['per_user']):>22}"
        figures = f"{arm['share']:>6.3g} {users:>9} {arm['slates']:>9,} {measured['total']:>12,.2f}"
        lines.append(f"{arm['name']:16} {figures} {rates}")
    return lines


def _rate(rate: dict[str, float | None]) -> str:
    """A rate with its bounds.

    >>> _rate({"value": 0.25, "low": 0.2, "high": None}), _rate({"value": None, "low": None, "high": None})
    ('0.25 (0.2 to ?)', '-')
    """
    if rate["value"] is None:
        return "-"
    if rate["low"] is None:
        return f"{rate['value']:.3g} (too few)"
    return f"{rate['value']:.3g} ({rate['low']:.3g} to {'?' if rate['high'] is None else format(rate['high'], '.3g')})"


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


__all__ = ["parsed_arm", "register"]
