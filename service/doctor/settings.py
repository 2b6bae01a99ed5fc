"""Examines the settings: the files they name, secrets that others can read, and open access."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from service.doctor.findings import Finding
from service.http import ApiKeys, BadKeys, is_loopback
from streaming.settings import Settings, in_force

FILES: Final = ("cafile", "certfile", "keyfile", "password_file")
SECRET: Final = ("keyfile", "password_file")


def examine_settings(settings: Settings) -> Iterator[Finding]:
    """Examine the values in force, the files they name, the keys, and passwords sent unencrypted."""
    changed = [(path, origin) for path, _, origin in in_force(settings) if origin != "default"]
    places = sorted({origin for _, origin in changed if not origin.startswith("SLUICEGATE_")})
    text = f"{len(changed)} of them set, {len([1 for _, origin in changed if origin not in places])} by the environment"
    yield Finding("settings.valid", "ok", f"{text}{', rest in ' + ', '.join(places) if places else ''}")
    yield from _files(settings)
    yield _keys(settings)
    yield from _clear(settings)


def _files(settings: Settings) -> Iterator[Finding]:
    for section in ("kafka", "redis", "schema_registry"):
        for name in FILES:
            path: Path | None = getattr(getattr(settings, section), name, None)
            if path is not None:
                yield _file(f"{section}.{name}", path, secret=name in SECRET)


def _file(setting: str, path: Path, *, secret: bool) -> Finding:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(path.stat().st_mode)
            empty = not file.read(1)
    except OSError as error:
        return Finding("settings.files", "failure", f"{setting}: {path}: {error.strerror}", "fix the path or its mode")
    if empty:
        return Finding("settings.files", "failure", f"{setting}: {path} is empty", "write it again")
    if secret and mode & stat.S_IROTH:
        return Finding(
            "settings.files", "warning", f"{setting}: every user of this machine may read {path}", f"chmod o-r {path}"
        )
    return Finding("settings.files", "ok", f"{setting}: {path} can be read")


def _keys(settings: Settings) -> Finding:
    service, check = settings.service, "settings.keys"
    try:
        keys = ApiKeys(service.keys, service.keys_file, trusted=False)
    except BadKeys as error:
        return Finding(check, "failure", str(error), "write one ROLE:SHA256-HEX a line (docs/operations.md)")
    if is_loopback(service.host.strip("[]")):
        return Finding(check, "ok", f"{len(keys)} keys, listening on this machine only")
    if service.insecure:
        text = f"anybody who reaches {service.host} may read, send events and move the gate"
        return Finding(check, "warning", text, "configure keys and unset service.insecure")
    if not len(keys):
        text = f"service.host is {service.host} and there is no key: the service will not start"
        return Finding(check, "failure", text, "set service.keys_file, or service.host to 127.0.0.1")
    return Finding(check, "ok", f"{len(keys)} keys, listening on {service.host}")


def _clear(settings: Settings) -> Iterator[Finding]:
    kafka, redis, check = settings.kafka, settings.redis, "settings.transport"
    hosts = [server.rpartition(":")[0].strip("[]") for server in kafka.bootstrap.split(",")]
    remote = [host for host in hosts if not is_loopback(host)]
    if remote and kafka.security_protocol == "SASL_PLAINTEXT" and kafka.sasl_mechanism == "PLAIN":
        text = f"Kafka's password goes to {remote[0]} in the clear"
        yield Finding(check, "warning", text, "use SASL_SSL, or at least SCRAM")
    registry = urlsplit(settings.schema_registry.url or "")
    if registry.scheme == "http" and settings.schema_registry.username and not is_loopback(registry.hostname or ""):
        text = f"the schema registry's password goes to {registry.hostname} in the clear"
        yield Finding(check, "warning", text, "use an https:// address")
    host = redis.url.partition("://")[2].rpartition("@")[2].partition("/")[0].partition(",")[0].rpartition(":")[0]
    password = redis.password is not None or redis.password_file is not None or "@" in redis.url
    if redis.url.startswith(("redis://", "redis+sentinel://")) and password and not is_loopback(host.strip("[]")):
        yield Finding(check, "warning", f"Redis's password goes to {host} in the clear", "use a rediss:// address")
