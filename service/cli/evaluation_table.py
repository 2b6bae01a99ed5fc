"""Writes the report of an evaluation as text for a terminal: the table, the slices, the protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from models.evaluation import SINGLE

_LEFT: Final = 1
"""Columns on the left that hold text."""


def text(result: dict[str, Any]) -> str:
    """Everything a reader needs to judge the figures, the protocol last."""
    parts = [_head(result), _standings(result), _best(result), _slices(result)]
    parts += [_baskets(result)] if result["baskets"] else []
    if result["pointwise"]:
        parts.append(_pointwise(result["pointwise"]))
    parts += [_left_out(result["not_run"])] if result["not_run"] else []
    return "\n\n".join([*parts, _protocol(result)])


def _head(result: dict[str, Any]) -> str:
    stream, file = result["stream"], result["file"]
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in stream["by_type"].items())
    left_out = f"{stream['left_out_unseen']:.1%} are left out, because nobody had touched their item before"
    lines = [
        f"{file['name']}: {stream['events']:,} events ({kinds}), {stream['users']:,} users, {stream['items']:,} items",
        f"evaluated {stream['evaluated']:,} of {stream['sampled']:,} sampled events: {left_out}",
    ]
    rows = [f"{file[name]:,} {words}" for name, words in _ROWS.items() if file[name]]
    return "\n".join([*lines, *([f"rows: {', '.join(rows)}"] if rows else [])])


_ROWS: Final = {
    "passed": "left out as asked",
    "refused": "refused",
    "duplicates": "duplicates left out",
    "out_of_order": "out of time order, sorted",
}


def _standings(result: dict[str, Any]) -> str:
    k = result["protocol"]["k"]
    heads = ["", f"hr@{k}", "se", "of best source", f"mrr@{k}", "se", "of best source", f"ndcg@{k}"]
    heads += [f"hr@{k} all", "coverage", "personal.", "novelty", "us/event", "us/list", "memory"]
    order = sorted(
        result["contenders"].items(), key=lambda each: (each[0] != result["served"], -(each[1][f"hr@{k}"] or 0.0))
    )
    return _table(heads, [_row(name, found, k) for name, found in order])


def _row(name: str, found: dict[str, Any], k: int) -> list[str]:
    cells = [f"{name} *" if name in SINGLE else name]
    for measure, error in (("hr", "se"), ("mrr", "mrr_se")):
        pair = found["against_best_source"][f"{measure}@{k}"]
        cells += [_number(found[f"{measure}@{k}"]), _number(found[error]), _ratio(pair)]
    cells += [_number(found[f"ndcg@{k}"]), _number(found["all_events"][f"hr@{k}"])]
    cells += [_number(found[each]) for each in ("coverage", "personalisation")]
    costs = [_number(found[each], 0) for each in ("us_per_event", "us_per_ranking")]
    return [*cells, _number(found["novelty"], 1), *costs, _size(found["memory_bytes"])]


def _best(result: dict[str, Any]) -> str:
    named = ", ".join(f"{name} by {measure}" for measure, name in result["best_single_source"].items())
    lines = [f"* a single source; the best: {named}. In charge at the end: {result['in_charge']}."]
    rivals = result["best_rival"] or {}
    pairs = [f"{pair['rival']} by {measure} {_ratio(pair)}" for measure, pair in rivals.items()]
    lines += [f"{result['served']} to the best rival: {', '.join(pairs)}"] if pairs else []
    lines += ["all: of every sampled event, those included whose item nobody had touched"]
    return "\n".join(lines)


def _slices(result: dict[str, Any]) -> str:
    k, served = result["protocol"]["k"], result["served"]
    best = result["best_single_source"][f"hr@{k}"]
    rows = [
        [f"{group}: {name}", f"{part['n']:,}"]
        + [_number(part["contenders"][who][f"{measure}@{k}"]) for measure in ("hr", "mrr") for who in (served, best)]
        + [_number(part["contenders"][served]["se"])]
        for group, parts in result["slices"].items()
        for name, part in parts.items()
    ]
    heads = ["slice", "n", f"hr@{k} {served}", best, f"mrr@{k} {served}", best, "se (hr)"]
    return _table(heads, rows)


def _baskets(result: dict[str, Any]) -> str:
    k, found = result["protocol"]["k"], result["baskets"]
    measures = ("recall", "hr", "mrr", "ndcg")
    heads = ["basket", *(f"{name}@{k}" for name in measures), "se (recall)", f"recall@{k} repeats", "new"]
    order = sorted(found["contenders"].items(), key=lambda each: (each[0] != result["served"], -each[1][f"recall@{k}"]))
    rows = [
        [who, *(_number(each[f"{name}@{k}"]) for name in measures), _number(each["se"])]
        + [_number(each[targets][f"recall@{k}"]) for targets in ("repeats", "new")]
        for who, each in order
    ]
    low, high = found["ratio_interval"]
    asked = f"{found['asked']:,} of {found['baskets']:,} baskets, of {found['mean_items']:g} items on average"
    ratio = f"{_number(found['ratio_to_best_rival'], 2)} [{_number(low, 2)}, {_number(high, 2)}]"
    against = f"recall of {result['served']} to {found['best_rival']}: {ratio}"
    return f"{_table(heads, rows)}\n({asked}; asked once, before any of their lines is learned; {against})"


def _pointwise(found: dict[str, dict[str, Any]]) -> str:
    names = ("accuracy", "precision", "recall", "f1", "mse", "log_loss", "auc")
    rows = [[who, *(_number(each[name]) for name in names)] for who, each in found.items()]
    table = _table(["pointwise", *names], rows)
    return f"{table}\n(each evaluated event against one item drawn from those its user had not touched; 0.5 divides)"


def _left_out(reasons: dict[str, str]) -> str:
    return "\n".join(["not run:", *(f"  {name}: {reason}" for name, reason in reasons.items())])


def _protocol(result: dict[str, Any]) -> str:
    lines = [f"  {name}: {value}" for name, value in result["protocol"].items()]
    took = [] if result["seconds"] is None else [f"  took: {result['seconds']:g} s"]
    return "\n".join(["protocol:", *lines, *took])


def _number(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _ratio(pair: dict[str, Any]) -> str:
    if pair["ratio"] is None or None in pair["ratio_interval"]:
        return "-"
    low, high = pair["ratio_interval"]
    return f"{pair['ratio']:.2f} [{low:.2f}, {high:.2f}]"


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[at]) for row in [heads, *rows]) for at in range(len(heads))]
    lines = [
        "  ".join(cell.ljust(width) if at < _LEFT else cell.rjust(width) for at, (cell, width) in enumerate(cells))
        for cells in ([*zip(row, widths, strict=True)] for row in [heads, *rows])
    ]
    return "\n".join(line.rstrip() for line in lines)
