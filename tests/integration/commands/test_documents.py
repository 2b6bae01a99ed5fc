"""Every command in a block of README.md, CONTRIBUTING.md and docs/ is run unchanged, or listed with the reason not to.

A block is one shell script, in a folder with the files it speaks of and an installation behind the addresses it names.
"""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from streaming.kafka.topics import ensure_topics
from streaming.settings.loading import Settings, load_settings
from tests.conftest import eventually
from tests.support.processes.serving import Served, learner, service, shop

ROOT = Path(__file__).resolve().parents[3]
LANGUAGES = {"sh", "json", "text", "toml", "html", "js", "yaml", "python"}
SECONDS = 60.0
"""Longest a block may take."""
ADDRESSES = re.compile(r"\b(127\.0\.0\.1|localhost|HOST):8000\b")


class Left(NamedTuple):
    """Commands that are not run here: how they begin, why, and the test or script that runs them instead."""

    begins: str
    reason: str
    run_by: str


STOPPED = "it runs until it is stopped"
GENERATOR = "the generator is in an environment of its own"
UP = "test_up_keeps_the_learned_state_and_shows_its_key_once"
SERVE = "test_beyond_loopback_it_starts_with_a_key_which_no_log_holds"
NOT_RUN = (
    Left("make mutants", "it takes minutes, and its result is committed", "tests/mutants/__main__.py"),
    Left("make ", "it is what continuous integration runs, and it takes minutes", ".ci/run"),
    Left("docker compose", "it needs Docker; the image is built and started without it", "deploy/image.sh"),
    Left(
        "ALERTMANAGER_CONFIG=",
        "it needs Docker; its files are tried without it",
        "tests/acceptance/test_alertmanager.py",
    ),
    Left("helm ", "it needs a cluster; Helm renders the chart without one", "tests/chart/test_chart.py"),
    Left("sluicegate erase", "nobody learns here", UP),
    Left("sluicegate up", STOPPED, UP),
    Left("sluicegate demo", STOPPED, "test_the_check_shows_that_each_event_changes_the_answer"),
    Left("sluicegate serve", STOPPED, SERVE),
    Left("sluicegate learn", STOPPED, UP),
    Left("SLUICEGATE_SERVICE__KEYS_FILE=keys.txt sluicegate serve", STOPPED, SERVE),
    Left("export SLUICEGATE_", "example addresses; the settings are those of every test", "test_settings"),
    Left("python -m benchmarks ", "a benchmark takes minutes", "benchmarks/__main__.py"),
    Left(
        "python -m service.local.demo_export",
        "it reads 100,000 purchases",
        "test_exported_purchases_are_a_log_that_evaluate_and_send_can_read",
    ),
    Left(
        "sluicegate evaluate",
        "it trains every contender",
        "test_a_log_is_evaluated_and_the_table_and_the_protocol_are_printed",
    ),
    Left(
        "sluicegate replay",
        "it learns a whole topic",
        "test_the_topic_is_replayed_under_both_policies_and_nothing_is_written",
    ),
    Left(
        "sluicegate gate quarantine",
        "it needs a learner, and a stretch to hold",
        "test_what_a_broken_exporter_sent_is_taken_back_and_learnt_after_all",
    ),
    Left(
        "sluicegate gate explain",
        "the version is made up",
        "test_a_version_is_explained_while_it_waits_is_served_is_withdrawn_and_is_replaced",
    ),
    Left(
        "sluicegate check-mapping --count",
        "the topic is the reader's own",
        "test_their_records_are_learnt_once_beside_ours_through_a_kill_and_a_change_of_the_mapping",
    ),
    Left(
        "SLUICEGATE=http://127.0.0.1:8000 SHOP_KEY=EVENTS_KEY PUBLIC_KEY=BEACON_KEY python examples/webshop/shop.py",
        STOPPED,
        "test_what_a_visitor_does_in_the_example_shop_changes_what_it_shows",
    ),
    Left(
        'curl -H "X-API-Key: $key" http://HOST:8000/erasures/',
        "the id is made up",
        "test_an_erased_user_is_gone_from_the_newest_version_and_stays_gone",
    ),
    Left(
        'python -c "import numpy as np; np.savez',
        "it saves the reader's own model",
        "test_a_learner_starts_from_the_import_and_the_service_recommends_by_it",
    ),
    Left(
        "redis-cli --rdb",
        "the embedded Redis has no redis-cli",
        "test_a_redis_restored_from_a_backup_has_the_version_and_histories_of_that_moment",
    ),
    Left("openapi-python-client", GENERATOR, "test_a_generated_python_client_calls_the_service"),
    Left("npx openapi-typescript", GENERATOR, "test_a_generated_typescript_client_compiles_and_calls_the_service"),
    Left("python -m tests.support.", STOPPED, "tests/acceptance/conftest.py"),
)
FAILS = ("sluicegate doctor",)
"""Commands that may end with 9 here: the Redis of the tests keeps nothing on disk, and the doctor says so."""


def pages() -> list[Path]:
    """The documents."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def fences(page: Path) -> list[tuple[str, str]]:
    """(language, text) of every fenced block."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def commands(block: str) -> list[str]:
    """The commands of a block, continued lines joined, remarks and what starts one beside the next cut off.

    >>> commands("one \\\\\\n  two   # remark\\n\\nthree &\\n")
    ['one   two', 'three']
    """
    joined = block.replace("\\\n", "")
    lines = (re.sub(r"(\s+#.*|\s*&)$", "", line).strip() for line in joined.splitlines())
    return [line.removeprefix(".venv/bin/") for line in lines if line and not line.startswith("#")]


def left(command: str) -> Left | None:
    """Why a command is not run here."""
    return next((each for each in NOT_RUN if command.startswith(each.begins)), None)


def scripts() -> list[tuple[str, str]]:
    """(place, script) of every block with something to run."""
    found = []
    for page in pages():
        for number, (language, block) in enumerate(fences(page)):
            lines = [line for line in commands(block) if left(line) is None] if language == "sh" else []
            if lines:
                found.append((f"{page.name}-{number}", "\n".join(map(allowed, lines))))
    return found


def allowed(command: str) -> str:
    """The command, with code 9 taken for well where it may be."""
    return f"{command} || [ $? -eq 9 ]" if command.startswith(FAILS) else command


def test_every_block_says_what_language_it_is() -> None:
    assert [(page.name, name) for page in pages() for name, _ in fences(page) if name not in LANGUAGES] == []


def test_every_reason_not_to_run_a_command_is_of_use_and_names_what_runs_it() -> None:
    listed = [line for page in pages() for name, block in fences(page) if name == "sh" for line in commands(block)]
    assert [each.begins for each in NOT_RUN if not any(left(line) is each for line in listed)] == []
    files = list((ROOT / "tests").rglob("test_*.py"))
    tests = {path.stem for path in files}
    tests |= {name for path in files for name in re.findall(r"def (test_\w+)", path.read_text())}
    assert [each.run_by for each in NOT_RUN if each.run_by not in tests and not (ROOT / each.run_by).exists()] == []


@pytest.fixture(scope="module")
def installed(
    broker: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Served, Settings]]:
    """A service with topics, a version and the items that the pages speak of; whoever asks may do everything."""
    settings = load_settings(
        None,
        {
            "SLUICEGATE_KAFKA__BOOTSTRAP": broker,
            "SLUICEGATE_REDIS__URL": redis_url,
            "SLUICEGATE_NAMESPACE": f"docs{tmp_path_factory.mktemp('x').name.strip('x')}",
        },
    )
    ensure_topics(settings)
    with learner(settings) as taught:
        taught.learn([*shop(), *[("ann", "teapot-1"), ("ann", "mug-3"), ("ben", "kettle-2")] * 5])
        version = taught.commit()
    with service(settings) as made:
        eventually(lambda: made.get("/readyz").json()["version"] == version, timeout=60.0)
        eventually(lambda: made.get("/readyz").json()["kafka"] == "ok")
        yield made, settings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files that the pages name."""
    rows = ["user_id,item_id,event_type,timestamp"]
    rows += [f"user-{number % 20},item-{number % 7},purchase,{1_700_000_000 + number}" for number in range(100)]
    with gzip.open(tmp_path / "purchases.csv.gz", "wt") as file:
        file.write("\n".join(rows) + "\n")
    (tmp_path / "catalogue.csv").write_text("item_id,title,price,stock\ntea,Tea,3.5,4\n")
    (tmp_path / "feed.tsv").write_text("id\ttitle\tlink\timage_link\tprice\nt1\tTeapot\thttps://s/t1\t\t19.90 EUR\n")
    (tmp_path / "items.ndjson").write_text('{"item_id": "tea", "price": 3.5}\n{"item_id": "cup", "stock": 2}\n')
    ids = np.array([f"ours-{number}" for number in range(20)])
    np.savez(tmp_path / "shop.npz", ids=ids, vectors=np.random.default_rng(1).normal(size=(20, 32)), counts=np.ones(20))
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / ".curlrc").write_text("silent\nshow-error\nfail-with-body\n")
    return tmp_path


@pytest.mark.parametrize(("place", "script"), scripts(), ids=lambda value: value if "\n" not in value else "")
def test_the_commands_of_a_block_do_what_they_say(
    installed: tuple[Served, Settings], folder: Path, place: str, script: str
) -> None:
    served, settings = installed
    address = served.base.removeprefix("http://")
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("SLUICEGATE_")},
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HOME": str(folder),
        "CURL_HOME": str(folder),
        "SLUICEGATE_KAFKA__BOOTSTRAP": settings.kafka.bootstrap,
        "SLUICEGATE_REDIS__URL": settings.redis.url,
        "SLUICEGATE_SERVICE__PORT": address.rpartition(":")[2],
        # An import wants the lease for itself.
        "SLUICEGATE_NAMESPACE": settings.namespace + "-import" * ("sluicegate import" in script),
        "key": "any",  # nobody asks for one here
    }
    words = ["bash", "-euc", ADDRESSES.sub(address, script)]
    done = subprocess.run(words, cwd=folder, env=environ, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, f"{place}\n{script}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
