"""Writes the report of a replay as text for a terminal."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from models.statistics import DEPTH


def text(result: dict[str, Any]) -> str:
    """The versions served, the decisions, and where the gates differ."""
    parts = [_head(result), _figures(result), _timeline(result), _decisions(result), _divergences(result)]
    return "\n\n".join(part for part in parts if part)


def moment(at: float) -> str:
    """A time for people, UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def _head(result: dict[str, Any]) -> str:
    lines = [f"{result['events']:,} events, {result['versions']:,} versions decided on, {result['tested']:,} tested"]
    if result["versions"]:
        lines.append(f"compared from {moment(result['began'])} to {moment(result['ended'])}")
    for each in result.get("source", {}).get("reach", []):
        oldest = f"back to {moment(each['oldest'])}" if each["oldest"] is not None else "empty"
        lines.append(f"  {each['topic']}[{each['partition']}]: {oldest}, offsets {each['first']} to {each['end']}")
    return "\n".join(lines)


def _figures(result: dict[str, Any]) -> str:
    heads = ["gate", "mode", f"hr@{DEPTH}", f"mrr@{DEPTH}", "promoted", "held", "rolled back", "baseline"]
    rows = [
        [
            name,
            found["mode"],
            _interval(found[f"hr@{DEPTH}"]),
            _interval(found[f"mrr@{DEPTH}"]),
            *(f"{found[count]:,}" for count in ("promotions", "holds", "rollbacks")),
            f"{found['by_single_source']:.1%}",
        ]
        for name, found in result["gates"].items()
    ]
    lines = [_table([heads, *rows])]
    for name, found in result["differences"].items():
        first = next(iter(result["gates"]))
        measures = ", ".join(f"{measure} {_interval(each, sign=True)}" for measure, each in found.items())
        lines.append(f"{name} against {first}: {measures}")
    return "\n".join(lines)


def _timeline(result: dict[str, Any]) -> str:
    """What each gate served, by time; a mark where they parted."""
    rows = []
    for each in result["stretches"]:
        served = [f"{_versions(found)}" for found in each["gates"].values()]
        found = [_share(found[f"hr@{DEPTH}"]) for found in each["gates"].values()]
        mark = "apart" if each["parted"] else ""
        rows.append([moment(each["from"]), moment(each["until"]), f"{each['tested']:,}", *served, *found, mark])
    if not rows:
        return ""
    names = list(result["gates"])
    heads = [
        "from",
        "until",
        "tested",
        *(f"{name} serves" for name in names),
        *(f"hr@{DEPTH} {name}" for name in names),
    ]
    return "time line:\n" + _table([[*heads, ""], *rows])


def _versions(found: dict[str, Any]) -> str:
    text = found["first"] if found["versions"] == 1 else f"{found['first']} to {found['last']} ({found['versions']:,})"
    back = found["rollbacks"]
    return f"{text}, {back} rollback{'s' if back > 1 else ''}" if back else text


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _decisions(result: dict[str, Any]) -> str:
    lines = []
    for name, found in result["gates"].items():
        lines.append(f"decisions of {name}:")
        lines += [
            f"  {each['versions']:>7,}  {each['action']:8} {', '.join(each['reasons'])}" for each in found["decisions"]
        ]
    return "\n".join(lines)


def _divergences(result: dict[str, Any]) -> str:
    if not result["diverged"]:
        return "both gates decide the same about every version" if result["versions"] else ""
    shown = result["divergences"]
    lines = [f"they differ in {result['diverged']:,} of {result['versions']:,} versions; the first {len(shown)}:"]
    for each in shown:
        gates = "; ".join(
            f"{name}: {found['action']} ({', '.join(found['reasons'])}), serves {found['serves']}"
            for name, found in each["gates"].items()
        )
        lines.append(f"  {moment(each['at'])} after {each['events']:,} events, version {each['version']}: {gates}")
    return "\n".join(lines)


def _interval(found: dict[str, float] | None, *, sign: bool = False) -> str:
    if found is None:
        return "-"
    plus = "+" if sign else ""
    value, low, high = (format(found[name], f"{plus}.4f") for name in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def _table(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


__all__ = ["moment", "text"]
