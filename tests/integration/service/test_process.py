"""`python -m service`: one clear line when it cannot start, a drained end when asked to stop."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from service import __main__ as serving
from service.__main__ import GRACE
from service.http.auth import digest
from service.local import embedded
from service.runtime import room
from streaming.kafka.topics import ensure_topics
from streaming.settings.loading import Settings, load_settings
from tests.conftest import eventually
from tests.integration.service.test_gate_feed import messages
from tests.support.processes.serving import PATIENCE, learner, shop

# To load the certificates of all authorities for each request would take a core from the process that is waited for.
get, post = (partial(send, timeout=PATIENCE, verify=False) for send in (httpx.get, httpx.post))


def environment(settings: Settings, **more: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SLUICEGATE_")}
    return {
        **clean,
        "SLUICEGATE_KAFKA__BOOTSTRAP": settings.kafka.bootstrap,
        "SLUICEGATE_REDIS__URL": settings.redis.url,
        "SLUICEGATE_NAMESPACE": settings.namespace,
        **more,
    }


@contextlib.contextmanager
def running(settings: Settings, *options: str, **more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and its address, once it answers; killed at the end if it still runs."""
    port = embedded.free_port()
    command = [sys.executable, "-m", "service", "--port", str(port), *options]
    process = subprocess.Popen(command, env=environment(settings, **more), stderr=subprocess.PIPE, text=True)
    address = f"http://127.0.0.1:{port}"

    def lives() -> bool:
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        with contextlib.suppress(httpx.TransportError):
            return get(f"{address}/livez").status_code == 200
        return False

    try:
        eventually(lives, timeout=PATIENCE)
        yield process, address
    finally:
        process.kill()
        process.communicate()


def refused(settings: Settings, *options: str, **more: str) -> tuple[int, str]:
    """Exit code and standard error of a start that must fail."""
    done = subprocess.run(
        [sys.executable, "-m", "service", *options],
        env=environment(settings, **more),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return done.returncode, done.stderr


def test_a_port_in_use_is_one_clear_line_and_code_8(settings: Settings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, said = refused(settings, "--port", str(port))
    assert code == 8
    (line,) = said.splitlines()
    assert json.loads(line)["level"] == "error"
    assert json.loads(line)["event"] == (
        f"port {port} on 127.0.0.1 is in use: stop what uses it, or name another with --port"
    )


@pytest.mark.parametrize(
    ("options", "more", "expected"),
    [
        (("--host", "0.0.0.0"), {}, "no key is configured"),
        ((), {"SLUICEGATE_SERVICE__PROT": "1"}, "did you mean"),
        ((), {"SLUICEGATE_SERVICE__KEYS": "admin:secret"}, "ROLE:SHA256-HEX"),
        ((), {"SLUICEGATE_SERVICE__KEYS_FILE": "/nowhere/keys"}, "/nowhere/keys"),
        (("--config", "/nowhere/settings.toml"), {}, "/nowhere/settings.toml"),
    ],
)
@pytest.mark.usefixtures("own_log")
def test_settings_that_cannot_be_used_are_one_clear_line_and_code_2(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    more: dict[str, str],
    expected: str,
) -> None:
    """In this process: that the code is the one of the process is seen with a port in use."""
    monkeypatch.setattr(serving, "give_memory_back", bool)
    for name, value in environment(settings, **more).items():
        monkeypatch.setenv(name, value)
    code = serving.main(options)
    said = capsys.readouterr().err
    assert code == 2
    assert expected in said
    assert len(said.splitlines()) == 1
    assert "secret" not in said


def test_beyond_loopback_it_starts_with_a_key_which_no_log_holds(settings: Settings) -> None:
    key = f"read:{digest('very-secret')}"
    with running(settings, "--host", "0.0.0.0", SLUICEGATE_SERVICE__KEYS=key) as (process, address):
        assert get(f"{address}/model").status_code == 401
        assert get(f"{address}/model", headers={"x-api-key": "very-secret"}).status_code == 200
        assert post(f"{address}/events", json={}).status_code == 401
        get(f"{address}/recommend/a%0a%7b%22forged%22%3a1%7d", headers={"x-api-key": "very-secret"})
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=PATIENCE)
    assert all(json.loads(line)["event"] for line in said.splitlines()), "the log is one JSON object a line"
    assert "very-secret" not in said
    assert "forged" not in said


def test_sigterm_ends_with_code_0_and_loses_no_request_in_flight_and_an_open_stream_does_not_delay_it(
    settings: Settings,
) -> None:
    with learner(settings) as made:
        made.learn(shop())
        version = made.commit()
    with running(settings) as (process, address):
        eventually(lambda: get(f"{address}/readyz").json()["version"] == version)
        failures: list[str] = []
        answered = threading.Event()

        def asking() -> None:
            with httpx.Client(base_url=address, timeout=PATIENCE, verify=False) as client:
                while True:
                    try:
                        answer = client.get("/recommend/user-1")
                    except httpx.ConnectError:
                        return
                    except httpx.TransportError as error:
                        # A connection that was idle may be closed; an answer that was begun may not be cut.
                        if not isinstance(error, httpx.RemoteProtocolError | httpx.ReadError):
                            failures.append(repr(error))
                        return
                    if answer.status_code != 200:
                        failures.append(answer.text)
                    answered.set()

        threads = [threading.Thread(target=asking) for _ in range(4)]
        for thread in threads:
            thread.start()
        assert answered.wait(PATIENCE)
        with httpx.stream("GET", f"{address}/stream", timeout=PATIENCE) as answer:
            messages(lines := answer.iter_lines(), 2)
            started = time.monotonic()
            process.send_signal(signal.SIGTERM)
            messages(lines, 1_000)  # until the service ends the stream
            assert time.monotonic() - started < GRACE
        _, said = process.communicate(timeout=PATIENCE)
        for thread in threads:
            thread.join(PATIENCE)
        assert process.returncode == 0
        assert time.monotonic() - started < 20
        assert not failures
        entries = [json.loads(line) for line in said.splitlines()]
        assert [each["event"] for each in entries if each["event"] in {"draining", "ended"}] == ["draining", "ended"]
        assert entries[-1]["code"] == 0


def test_2100_half_open_connections_leave_the_service_to_others(settings: Settings) -> None:
    assert room(4_000) > 2_300, "the test itself needs as many files"
    # Beyond loopback without a key, because it is told to.
    with (
        running(settings, "--host", "0.0.0.0", "--insecure") as (process, address),
        contextlib.ExitStack() as open_links,
    ):
        assert get(f"{address}/model").status_code == 200
        port = int(address.rpartition(":")[2])
        client = open_links.enter_context(httpx.Client(base_url=address, timeout=PATIENCE, verify=False))
        assert client.get("/livez").status_code == 200
        for _ in range(2_100):
            link = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
            open_links.enter_context(contextlib.closing(link))
            link.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n")
        assert client.get("/livez").status_code == 200
        for path in ("/livez", "/recommend/ann", "/metrics"):
            answer = get(f"{address}{path}")
            assert answer.status_code == 200
        closed = re.search(r'^\w+_connections_closed_total\{reason="room"\} (\d+)', answer.text, re.MULTILINE)
        assert closed
        assert int(closed[1]) >= 2_100 - 512
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE)
        assert process.returncode == 0


def _post(url: str, event: dict[str, object]) -> None:
    with contextlib.suppress(httpx.TransportError):
        post(url, json=event)


def _in_progress(address: str) -> int:
    """Requests being answered besides this one."""
    found = re.search(r"^sluicegate_http_requests_in_progress (\d+)", get(f"{address}/metrics").text, re.MULTILINE)
    assert found
    return int(found[1]) - 1


def test_sigterm_ends_within_20_s_while_neither_kafka_nor_redis_answers(tmp_path: Path, namespace: str) -> None:
    with embedded.broker(tmp_path / "kafka") as kafka, embedded.redis(tmp_path / "redis") as store:
        settings = load_settings(
            None,
            {
                "SLUICEGATE_KAFKA__BOOTSTRAP": kafka.address,
                "SLUICEGATE_REDIS__URL": f"redis://{store.address}/0",
                "SLUICEGATE_NAMESPACE": namespace,
            },
        )
        ensure_topics(settings)
        with running(settings) as (process, address):
            eventually(lambda: get(f"{address}/readyz").json()["kafka"] == "ok")
            event = {"event_type": "click", "user_id": "ann", "item_id": "tea", "timestamp": time.time()}
            assert post(f"{address}/events", json=event).status_code == 202
            for child in (kafka, store):
                os.kill(child.pid, signal.SIGSTOP)
            try:
                asking = threading.Thread(target=_post, args=(f"{address}/events", event))
                asking.start()
                eventually(lambda: _in_progress(address) == 1)
                started = time.monotonic()
                process.send_signal(signal.SIGTERM)
                _, said = process.communicate(timeout=PATIENCE)
                assert time.monotonic() - started < 20
                asking.join(PATIENCE)
            finally:
                for child in (kafka, store):
                    os.kill(child.pid, signal.SIGCONT)
        assert process.returncode == 0
        assert json.loads(said.splitlines()[-1])["event"] == "ended"
