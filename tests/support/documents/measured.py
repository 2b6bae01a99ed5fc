"""Finds measured figures in the prose of a page: rates, times, sizes, speed-ups, hit rates.

Blocks written from `benchmarks/results` and fenced code are not prose. Numbers that are settings, limits, objectives or
parameters of a workload look the same; `ALLOWED` lists them.
"""

from __future__ import annotations

import re
from typing import Final

from tests.support.documents import figures

_VALUE = r"(?:\d[\d,]*(?:\.\d+)?|\.\d+)"
_UNITS = (
    r"(?:events?|requests?|records?|messages?)(?:/s| (?:a|per) second)",
    r"µs|us|microseconds?|ms|milliseconds?",
    r"[kKMG]i?B(?:/s)?",
    r"times (?:as (?:fast|slow|large|small|long|much|many|often)|faster|slower)",
    r"(?:s|seconds?|min|minutes?) of (?:a core|processor time|CPU)",
    r"% of (?:a core|the time|processor time)",
)
_PATTERNS = (
    rf"{_VALUE}(?: (?:to|and|or) {_VALUE})? ?(?:{'|'.join(_UNITS)})\b",  # 39,700 events/s, 81 to 358 ms
    r"(?:thousand|hundred)s? (?:events |requests |records )?a second",  # a few thousand a second
    r"0?\.\d{3,}\b",  # 0.303
    r"(?:hit rate|reciprocal rank|HR@20|MRR@20)s? (?:of |from |is |rises by |falls by )?0?\.\d+",
)
_FIGURE = re.compile("|".join(rf"(?<![\w.,]){pattern}" for pattern in _PATTERNS))
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_WORDS = ((" a second", "/s"), (" per second", "/s"), ("milliseconds", "ms"), ("microseconds", "µs"))

ALLOWED: Final = {
    "50 ms": "service.serving.histories.BUDGET",
    "64 KiB": "setting events.max_bytes",
    "0.005": "setting gate.margin",
    "1 MiB": "models.snapshot.chunks.CHUNK_BYTES, and the size of a fetch",
    "64 MiB": "streaming.versions.delta_cache.KEPT_BYTES",
    "24 MB": "size of setting admission.dedupe_window, 24 bytes an event",
    "25 ms": "objective of /recommend",
    "0.00001": "level of the crash test",
    "0.003": "least loss that fails the quality slice",
    "60 ms": "interval at which the live page looks",
    "256 KiB": "limit of a dead letter",
    "4 MiB": "size of a fetch that was too large",
    "150 kB": "most bytes of the live page",
    "200 events/s": "rate below which a stream trains on more",
    "1,500 events/s": "rate that a setting is explained by",
    "2,000 events/s": "rate of the workloads, and what settings are explained by",
    "500 events/s": "rate of a workload",
    "500 or 2,000 events/s": "rates of a workload",
    "200 requests/s": "rate of a workload",
    "5,000 events/s": "rate that a workload begins with",
}
"""Numbers that were not measured, by how `measured` returns them, and what they are."""


def measured(text: str) -> list[str]:
    """Every figure in the prose of a page, with a leading zero and short units, those of `ALLOWED` left out.

    >>> measured("It learns 39,700 events a second, and finds .303 of them in 81 to 358 ms.")
    ['39,700 events/s', '0.303', '81 to 358 ms']
    """
    prose = " ".join(_FENCE.sub("", figures.without(text)).split())
    found = (_plain(match[0]) for match in _FIGURE.finditer(prose))
    return [each for each in found if each not in ALLOWED]


def _plain(found: str) -> str:
    for words, short in _WORDS:
        found = found.replace(words, short)
    return re.sub(r"(?<!\d)\.(?=\d)", "0.", found)
