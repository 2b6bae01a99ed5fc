"""Divides every duration in the shipped alert rules and Prometheus settings by one factor.

An alert watches for minutes, a test can only watch for seconds. Divided are `for`, range windows (those of the burn
rates too), ages compared with `time()`, and the intervals at which Prometheus scrapes and evaluates. Thresholds, labels
and texts stay as shipped.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
WINDOW = re.compile(r"\[(\d+)([smhd])\]")
AGE = re.compile(r"(time\(\) - (?:max|min)\(\w+(?: > 0)?\) > )(\d+)\b")


def divided(duration: str, factor: float) -> str:
    """Divides a duration as Prometheus writes it.

    >>> divided("5m", 60), divided("30s", 60), divided("0m", 60)
    ('5000ms', '500ms', '0ms')
    """
    return f"{round(1000 * int(duration[:-1]) * SECONDS[duration[-1]] / factor)}ms"


def faster_query(query: str, factor: float) -> str:
    """Divides the windows and ages of a query. Raises ValueError for an age that it does not understand.

    >>> faster_query("rate(a[5m]) > 0.05 and time() - max(b) > 120", 60)
    'rate(a[5000ms]) > 0.05 and time() - max(b) > 2'
    """
    if len(AGE.findall(query)) != query.count("time() -"):
        raise ValueError(f"an age in {query!r} is not written as time() - max(metric) > seconds")
    aged = AGE.sub(lambda found: f"{found[1]}{int(found[2]) / factor:g}", query)
    return WINDOW.sub(lambda found: f"[{divided(found[1] + found[2], factor)}]", aged)


def faster_rules(text: str, factor: float) -> dict[str, Any]:
    """Divides every duration of a rule file."""
    rules: dict[str, Any] = yaml.safe_load(text)
    for group in rules["groups"]:
        for rule in group["rules"]:
            rule["expr"] = faster_query(rule["expr"], factor)
            if "for" in rule:
                rule["for"] = divided(rule["for"], factor)
    return rules


def faster_settings(
    text: str, factor: float, targets: dict[str, list[str]], rules: str, alertmanager: str = ""
) -> dict[str, Any]:
    """Divides the intervals of Prometheus's settings, and sets `targets` by job name and another rule file.

    Alerts go to an Alertmanager at that address, or nowhere. The key is left out, because on loopback the service asks
    for none.
    """
    settings: dict[str, Any] = yaml.safe_load(text)
    settings["global"] = {name: divided(value, factor) for name, value in settings["global"].items()}
    settings["rule_files"] = [rules]
    alerting = settings.pop("alerting")
    if alertmanager:
        (manager,) = alerting["alertmanagers"]
        manager["static_configs"] = [{"targets": [alertmanager]}]
        settings["alerting"] = alerting
    jobs = {job["job_name"]: job for job in settings["scrape_configs"]}
    for name, addresses in targets.items():
        jobs[name].pop("authorization", None)
        jobs[name]["static_configs"] = [{"targets": addresses}]
    return settings
