"""Files that are damaged, put together, or written by few programs: nothing of them is lost without a word."""

from __future__ import annotations

import gzip
import io
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
import zstandard
from pyarrow import parquet

from streaming.files import FileError, report
from tests.support.streams.exports import NOW, PLAIN, Export, csv, read, said, summary, table, zipped
from tests.support.streams.odd_exports import HEADER, TEA, odd


@pytest.mark.parametrize("export", odd(), ids=lambda export: export.name)
def test_an_odd_file_is_read_whole_or_the_report_says_what_is_not(export: Export, tmp_path: Path) -> None:
    survey, layout, outcomes = read(export, tmp_path)
    assert summary(outcomes)[: len(export.events)] == export.events, report(survey, layout)
    assert (survey.form, survey.refused, dict(survey.left_out)) == (export.form, export.refused, export.left_out)
    assert dict(survey.facts) == export.facts
    for part in export.says:
        assert part in said(survey, layout)
    if not export.says:
        assert said(survey, layout) == ""


def cut(content: bytes) -> bytes:
    return content[: -len(content) // 10]


MANY = csv(*(f"u{n * 7919 % 100_003},tea,view,{NOW + n},{n % 97}" for n in range(20_000)))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (cut(zstandard.compress(MANY)), "Truncated compressed stream"),
        (cut(gzip.compress(MANY)), "ended before the end-of-stream marker"),
        (gzip.compress(gzip.compress(PLAIN)), "packed twice, as gzip inside gzip"),
        (zipped(log_zip=zipped(log_csv=PLAIN)), "packed twice, as zip inside zip"),
        (zipped(), "a zip file without a file in it"),
        (b"\x04\x22\x4d\x18" + b"x" * 100, "packed with lz4"),
        (bytes(range(256)), "is no text: its first line holds the byte 0x00"),
    ],
    ids=["zstd cut off", "gzip cut off", "gzip of gzip", "zip of zip", "empty zip", "lz4", "no text"],
)
def test_a_packed_file_that_is_not_whole_is_named(content: bytes, says: str, tmp_path: Path) -> None:
    with pytest.raises(FileError, match=says):
        read(Export("", content, []), tmp_path)


def test_a_moment_of_parquet_that_python_has_no_object_for_costs_its_row_alone(tmp_path: Path) -> None:
    two = {"user_id": ["u1", "u1"], "item_id": ["tea", "tea"], "event_type": ["view", "view"]}
    far = pa.array([NOW * 10**6, 2**62], pa.timestamp("us", "UTC"))
    survey, _, outcomes = read(Export("", table(**two, timestamp=far), [], file="log.parquet"), tmp_path)
    assert (summary(outcomes), survey.refused) == (TEA, 1)
    fine = pa.array([NOW * 10**9 + 1, None], pa.timestamp("ns", "UTC"))
    survey, _, outcomes = read(Export("", table(**two, timestamp=fine), [], file="log.parquet"), tmp_path)
    assert (summary(outcomes), survey.refused) == (TEA, 1)
    assert survey.earliest == datetime(2026, 1, 1, tzinfo=UTC).timestamp()


def test_the_first_of_two_columns_of_parquet_with_one_name_counts_and_it_is_said(tmp_path: Path) -> None:
    out = io.BytesIO()
    columns = [pa.array([value]) for value in ("u1", "tea", "view", NOW, "cup")]
    parquet.write_table(pa.Table.from_arrays(columns, names=[*HEADER.split(","), "item_id"]), out)
    survey, layout, outcomes = read(Export("", out.getvalue(), [], file="log.parquet"), tmp_path)
    assert summary(outcomes) == TEA
    assert "the header has 'item_id' more than once" in said(survey, layout)


def test_a_number_of_thousands_of_digits_costs_its_field_alone(tmp_path: Path) -> None:
    """Python refuses to read more than 4,300 digits, and not as it refuses bad JSON."""
    plain = '{"user_id":"u%d","item_id":"tea","event_type":"view","timestamp":%d,"price":%s}'
    objects = ",\n".join(plain % (number, NOW, "9" * 5_000 if number == 2 else "3") for number in (1, 2, 3))
    _, _, outcomes = read(Export("", f"[\n{objects}\n]".encode(), [], file="log.json"), tmp_path)
    assert [(user, price) for user, _, _, price in summary(outcomes)] == [("u1", 3.0), ("u2", None), ("u3", 3.0)]
