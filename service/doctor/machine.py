"""Examines packages, compiled kernels and ports of this machine."""

from __future__ import annotations

import http.client
import platform
import re
import socket
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Final

from service.doctor.findings import Finding
from service.local.fetch import fetch
from streaming.settings import Settings

SHOWN: Final = ("kafka-python", "redis", "numba", "numpy", "river", "fastapi")
"""Packages whose versions are shown when all is well: those whose behaviour we rely on most."""

REQUIREMENT: Final = re.compile(r"([\w.-]+)\s*>=\s*([\d.]+)")


def examine_machine(settings: Settings) -> Iterator[Finding]:
    """Packages, kernels, ports."""
    yield _packages()
    yield _kernels()
    service, learner = settings.service, settings.learner
    yield _port("machine.port.service", service.host, service.port, "service.port")
    yield _port("machine.port.learner", learner.metrics_host, learner.metrics_port, "learner.metrics_port")


def _packages() -> Finding:
    wrong = list(_unfit())
    if wrong:
        return Finding("machine.packages", "failure", ", ".join(wrong), "pip install --upgrade sluicegate")
    shown = ", ".join(f"{name} {version(name)}" for name in SHOWN)
    return Finding("machine.packages", "ok", f"sluicegate {version('sluicegate')}, Python {_python()}, {shown}")


def _python() -> str:
    return f"{platform.python_version()} on {platform.system()} {platform.release()}"


def _unfit() -> Iterator[str]:
    """Required packages that are missing or too old."""
    for requirement in requires("sluicegate") or []:
        declared = REQUIREMENT.match(requirement)
        if declared is None or "extra ==" in requirement:
            continue
        name, least = declared.groups()
        try:
            found = version(name)
        except PackageNotFoundError:
            yield f"{name} is not installed"
            continue
        if _numbers(found) < _numbers(least):
            yield f"{name} {found} is older than {least}"


def _numbers(text: str) -> tuple[int, ...]:
    """The leading numbers of a version.

    >>> _numbers("2.9.post0"), _numbers("3.0.12") < _numbers("3.1")
    ((2, 9), True)
    """
    leading = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in leading[0].split(".")) if leading else ()


def _kernels() -> Finding:
    # Here, as it takes numba along: every other examination is done before.
    from models.kernels.core.compile import cache
    from models.warmup import LASTS, compiled

    if cache.folder is None:
        return Finding(
            "machine.kernels", "failure", cache.trouble, "set NUMBA_CACHE_DIR to a folder this user may write"
        )
    if not compiled():
        text = f"kernels are not compiled in {cache.folder}: the next start compiles them, {LASTS}"
        return Finding("machine.kernels", "warning", text, "sluicegate warmup")
    if cache.trouble:
        return Finding(
            "machine.kernels", "warning", cache.trouble, "set NUMBA_CACHE_DIR to a folder this user may write"
        )
    return Finding("machine.kernels", "ok", f"compiled kernels in {cache.folder}")


def _port(check: str, host: str, port: int, setting: str) -> Finding:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        # As servers do: a port whose last connections are still closing is free for them.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = error.strerror
        else:
            return Finding(check, "ok", f"{host}:{port} is free")
    if _ours(host, port):
        return Finding(check, "ok", f"{host}:{port} is in use by a process that answers /livez as ours do")
    return Finding(check, "failure", f"{host}:{port}: {reason}", f"stop the process that uses it, or set {setting}")


def _ours(host: str, port: int) -> bool:
    reachable = "127.0.0.1" if host in {"0.0.0.0", "::", ""} else host  # noqa: S104 - only compared
    try:
        status, _ = fetch(port, "/livez", timeout=2.0, host=reachable)[:2]
    except (OSError, http.client.HTTPException):
        return False
    return int(status) == http.HTTPStatus.OK
