"""Tables of figures about the gate for docs/benchmarks.md: its errors, and how healthy streams begin."""

from __future__ import annotations

from typing import Final

from tests.support.documents.results import at, duration, names, number, percent, result, spread, table

MODELS: Final = (
    ("worse by 2 %", "worse_2_percent"),
    ("worse by 5 %", "worse_5_percent"),
    ("worse by 20 %", "worse_20_percent"),
    ("ruined", "ruined"),
)
UPDATES: Final = (("better by 5 %", "better_5_percent"), ("better by 2 %", "better_2_percent"), ("equal", "equal"))


def gate() -> str:
    """How often the gate and two naive ones err, how soon a bad model is found, how long a good one waits."""
    events, simulated = (number(at("gate", key), 0) for key in ("events_per_run", "simulated_runs"))
    rates = [
        ("equal models promoted as better", "false_promotion_rate", "window_threshold/false_promotion_rate"),
        (
            "the same, with tastes that drift up and down",
            "false_promotion_rate_drift",
            "window_threshold/false_promotion_rate_drift",
        ),
    ]
    errors = [
        (
            words,
            percent(at("gate", key)),
            percent(at("gate", f"naive/{naive}")),
            percent(at("gate", f"naive/{naive.replace('window_threshold', 'z_test_every_event')}")),
        )
        for words, key, naive in rates
    ]
    errors += [
        (words, percent(at("gate", key)), "-", "-")
        for words, key in (
            ("worse by the margin, promoted as no worse", "false_promotion_rate_at_margin"),
            ("equal models rolled back", "false_rollback_rate"),
            ("the same, with tastes that drift up and down", "false_rollback_rate_drift"),
            ("a drift called a crash", "false_crash_rate_drift"),
        )
    ]
    errors += [
        (f"equal models rolled back, {size} events of a user alike", percent(rate), "-", "-")
        for size, rate in result("gate").get("false_harm_rate_clusters", {}).items()
    ]
    caught = at("gate", "events_to_catch")
    found = [
        (
            words,
            f"{number(caught[key]['median'], 0)} ({number(caught[key]['p90'], 0)})",
            *(duration(caught[key][f"seconds_at_{rate}"]) for rate in (50, 10)),
        )
        for words, key in MODELS
    ]
    waits = [
        (
            words,
            *(duration(at("gate", f"wait_of_good_updates/strict/{key}_at_{rate}/median_seconds")) for rate in (50, 10)),
        )
        for words, key in UPDATES
    ]
    naive = (f"share of {simulated} runs of {events} events", "this gate", "mean of the last 1,000 above 0.01")
    tables = [
        table((*naive, "z-test at every look, 1 %"), errors),
        table(("a model that is", "rolled back after tested events, median (90 %)", "at 50/s", "at 10/s"), found),
        table(("an update that is", "in mode `strict` it waits, at 50/s", "at 10/s"), waits),
        _old_champion(),
        _healed(),
        *_walked(),
    ]
    return "\n\n".join(filter(None, tables))


def _old_champion() -> str:
    """What replaces an old champion in mode strict without proof; "" where that is not measured yet."""
    found = {(each["rate"], each["challenger"]): each for each in result("gate").get("old_champion", [])}
    if not found:
        return ""
    rates = sorted({rate for rate, _ in found}, reverse=True)
    names = ("worse_by_the_margin", "equal")
    rows = [(name.replace("_", " "), *(percent(found[rate, name]["replaced"]) for rate in rates)) for name in names]
    return table(("an old champion is replaced by one that is", *(f"at {rate}/s" for rate in rates)), rows)


def _healed() -> str:
    """How many times a fresh comparison it takes until a learner is let in that was worse for some minutes."""
    found = at("gate", "healed_back")
    minutes = sorted({each["minutes"] for each in found})
    rows = []
    for worse in sorted({each["worse"] for each in found}):
        for after, words in (("equal", "equal"), ("better", "0.02 better"), ("worse", "still 0.01 worse")):
            some = {each["minutes"]: each for each in found if (each["worse"], each["after"]) == (worse, after)}
            times = [number(some[each]["ratio"], 2) if some[each]["back"] else "never" for each in minutes]
            rows.append((f"{worse:g}, then {words}", *times))
    return table(("worse by, and then", *(f"{each} min" for each in minutes)), rows)


def _walked() -> list[str]:
    """How far users are below the best anchor, where a learner loses hits by the hour; [] before it was measured."""
    if "walked_down" not in result("gate"):
        return []
    rows = [
        (
            f"{each['per_hour']:g}",
            number(each["median_hours_to_rollback"], 1),
            number(each["most_below"], 3),
            number(2 * each["margin"], 3),
            duration(3600 * each["hours_below"]),
        )
        for each in at("gate", "walked_down")
    ]
    head = (
        "hits lost an hour",
        "hours until the first rollback, median",
        "most below the best anchor",
        "twice the margin",
        "longest time beyond it",
    )
    alike = at("gate", "false_rollbacks_alike")
    said = (
        f"Where all models lose {alike['per_hour']:g} an hour alike, {alike['rolled_back']} of "
        f"{number(alike['runs'], 0)} runs of {alike['hours']} hours are rolled back, "
        f"{alike['rolled_back_to_anchor']} of them to an anchor; the others were called worse than a reference."
    )
    return [table(head, rows), said]


def comparing() -> str:
    """Which share of the learner's time evidence takes, by the versions that are named."""
    if "comparing" not in names():
        return "No result is stored yet."
    cases = (
        ("nothing", "nothing"),
        ("reference", "a reference"),
        ("all", "reference, champion, three anchors in turn"),
    )
    rows = []
    for key, words in cases:
        path = f"compared_with/{key}"
        compared, passed = (sum(at("comparing", f"{path}/{each}")) for each in ("compared_events", "passed_over"))
        share = percent(at("comparing", f"{path}/processor_share")["median"])
        times = [spread("comparing", f"{path}/{each}_us_per_event") for each in ("evidence", "learner_thread")]
        rows.append((words, share, *times, percent(compared / max(compared + passed, 1))))
    head = (
        "compared with",
        "share of the learner thread",
        "evidence, µs per event",
        "learner thread, µs per event",
        "tested events compared",
    )
    return table(head, rows)


def starts() -> str:
    """For how long healthy streams of each kind waited for a newer version."""
    rows = [
        (
            each["kind"],
            number(each["starts"], 0),
            number(sum(bool(holds) for holds in each["holds"]) if not each["waits_for_proof_s"] else 0, 0),
            number(each["longest_hold_s"]),
            ", ".join(f"`{reason}`" for reason in each["reasons"]) or "-",
        )
        for each in at("starts", "starts")
    ]
    return table(("stream", "starts", "with a hold", "longest, s", "for"), rows)
