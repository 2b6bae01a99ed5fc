"""`sluicegate recommend USER`: asks a running service what it would show a user."""

from __future__ import annotations

import json
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from service.cli.arguments import pairs
from service.cli.gate_options import AsJson, Config, Key, Url, client, done

HELP = (
    "docs/api.md has the options of a request.\n\n"
    "Examples:\n\n"
    "sluicegate recommend ann\n\n"
    "sluicegate recommend ann --count 5 --option category=tea --option price_max=20 --json"
)


def register(app: typer.Typer) -> None:
    """Add `sluicegate recommend`."""
    app.command("recommend", epilog=HELP)(recommend)


def recommend(
    user: Annotated[str, typer.Argument(help="Id of the user; an unknown one gets what is good for anybody.")],
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="Number of items.")] = 10,
    option: Annotated[
        list[str] | None, typer.Option("--option", help="NAME=VALUE: an option of GET /recommend. Repeatable.")
    ] = None,
    config: Config = None,
    url: Url = None,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Ask a running service for recommendations, and print them as a table."""
    asked = [("user_id", user), ("n", str(count))]
    asked += [pair for word in option or [] for pair in pairs([word], "--option").items()]
    slate = done(lambda: client(config, url, key).ask("GET", f"/recommend?{urlencode(asked)}"))
    typer.echo(json.dumps(slate, ensure_ascii=False) if as_json else "\n".join(table(slate)))


def table(slate: dict[str, Any]) -> list[str]:
    """The lines of an answer."""
    rows = [("rank", "item", "score", "because of", "title", "category", "price")]
    rows += [
        (
            str(item["rank"]),
            item["item_id"],
            f"{item['score']:.4f}",
            item.get("reason") or item["source"],
            item.get("title") or "",
            item.get("category") or "",
            f"{item['price']:g}" if item.get("price") is not None else "",
        )
        for item in slate["items"]
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines = lines if slate["items"] else ["no item to show"]
    age = slate["model_age_seconds"]
    version = f"version {slate['model_version']}, {age:.1f} s old" if age is not None else "no version yet"
    lines.append(f"by {slate['served_by']}; {version}; request {slate['request_id']}")
    return [*lines, *(f"degraded: {reason}" for reason in slate["degraded"])]


__all__ = ["register"]
