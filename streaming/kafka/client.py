"""Opens clients of kafka-python, or says why that fails and what to do.

The library itself retries every failure until its time-out while it looks for a broker, a refused login included, and
then says that there is none.
"""

from __future__ import annotations

import importlib.util
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from kafka import errors as kafka_errors
from kafka.net.sasl.oauth import AbstractTokenProvider

from streaming.kafka.errors import BrokerAway, KafkaTrouble, NotAllowed, Untrusted, UnusableFile, hopeless
from streaming.kafka.internals import known_brokers, open_watched
from streaming.kafka.tokens import Tokens
from streaming.settings import KafkaSettings

AbstractTokenProvider.register(Tokens)  # kafka-python asks for an instance of its own class

T = TypeVar("T")

PROBE: Final = 5.0
"""Seconds one attempt to connect may take."""

ADVERTISED_PROBE: Final = 2.0
"""Seconds one attempt to connect to an address that a broker advertises may take."""

NAMED: Final = 3
"""Brokers that an error names, at most: each is tried first, and that may take its time."""

OUT_OF_DATE: Final = {9, 10}
"""OpenSSL's codes of a certificate that is not valid yet, and of one that has expired (X509_V_ERR_*)."""

PAUSE: Final = 0.2
"""Seconds between two rounds of attempts."""


def open_client(kind: Callable[..., T], **arguments: Any) -> T:
    """Call `kind(**arguments)`, and leave nothing behind when that raises.

    A plain connection is tried first, with the TLS handshake where TLS is configured: a service that retries every
    other second would otherwise collect the threads and sockets that kafka-python leaves when there is no broker.

    Args:
        kind: Class of kafka-python: consumer, producer or admin client.
        arguments: Those of `client_arguments`, and others of that class.

    Returns:
        The client, connected.

    Raises:
        BrokerAway: No broker answers within `bootstrap_timeout_ms`, or at the address by which it names itself.
        NotAllowed: A broker refuses the login. This ends the search at once.
        Untrusted: A broker's certificate is not trusted, or it wants one of ours.
        UnusableFile: A certificate, key or authority cannot be read.
        kafka.errors.KafkaError: Any other failure, as the library reports it.
    """
    _await_listener(arguments)
    # The library's own time-out begins a moment later, so an attempt that it cuts off fails after this limit.
    limit = time.monotonic() + arguments["bootstrap_timeout_ms"] / 1000
    failures: list[tuple[float, Exception]] = []

    def failed(error: Exception) -> bool:
        failures.append((time.monotonic(), error))
        return hopeless(error) or isinstance(error, kafka_errors.InvalidReceiveError)

    try:
        return open_watched(kind, arguments, failed, lambda brokers: _check_advertised(brokers, arguments))
    except Exception as error:
        if failures:
            raise _explained(_telling(failures, limit), arguments) from error
        raise


def _telling(failures: Sequence[tuple[float, Exception]], limit: float) -> Exception:
    """The last failure that says why. What fails after `limit` was cut off, which says nothing of the cause.

    >>> refused, over = OSError("refused"), TimeoutError("over")
    >>> _telling([(1.0, refused), (5.0, over)], 5.0), _telling([(5.0, over)], 5.0)
    (OSError('refused'), TimeoutError('over'))
    """
    return next((failure for at, failure in reversed(failures) if at < limit), failures[-1][1])


def _explained(failure: Exception, arguments: dict[str, Any]) -> Exception:
    """The failure, reworded where the library's text does not say what to do."""
    servers = ",".join(arguments["bootstrap_servers"])
    hint = f"does it want TLS or a login? kafka.security_protocol is {arguments['security_protocol']}"
    if isinstance(failure, kafka_errors.InvalidReceiveError):
        return NotAllowed(f"what answers at {servers} does not speak Kafka's protocol to us: {hint}")
    if type(failure) is kafka_errors.KafkaConnectionError:
        return BrokerAway(f"Kafka at {servers} hangs up ({failure}): {hint}", "connection")
    return failure


def _await_listener(arguments: dict[str, Any]) -> None:
    """Wait until one of the brokers accepts a connection, and completes the TLS handshake where TLS is configured."""
    servers, timeout = arguments["bootstrap_servers"], arguments["bootstrap_timeout_ms"] / 1000
    trust = _trust(arguments) if arguments["security_protocol"].endswith("SSL") else None
    limit = time.monotonic() + timeout
    while True:
        for server in servers:
            try:
                _greet(server, trust, min(timeout, PROBE))
            except (OSError, ValueError) as error:
                reason = error
            else:
                return
        if isinstance(reason, ssl.SSLError) and not isinstance(reason, ssl.SSLEOFError):
            raise _untrusted(reason, ",".join(servers))
        if time.monotonic() + PAUSE > limit:
            raise BrokerAway(
                f"no Kafka broker answers at {','.join(servers)} ({reason}): is it running, is kafka.bootstrap right"
                + (", does it speak TLS there (kafka.security_protocol)?" if trust is not None else "?"),
                "connection",
            )
        time.sleep(PAUSE)


def _check_advertised(brokers: Sequence[tuple[str, int]], arguments: dict[str, Any]) -> None:
    """Raise BrokerAway unless one of the brokers can be reached at the address by which it names itself.

    Everything after the first question goes there; the address that we were given may be another.
    """
    servers = arguments["bootstrap_servers"]
    if not brokers or any(address_text(*each) in servers for each in brokers):
        return
    unreached = {}
    for each in brokers:
        error = unreachable(*each)
        if error is None:
            return
        unreached[address_text(*each)] = error
    names = ", ".join(f"{name} ({error})" for name, error in unreached.items())
    raise BrokerAway(
        f"the broker at {','.join(servers)} answers, and names itself {names} (its advertised.listeners), where this "
        "machine cannot reach it: set advertised.listeners of the broker to a name and port that can be reached from "
        "here, or make that name known here",
        "connection",
    )


def naming_unreached(away: BrokerAway, client: Any, servers: Sequence[str]) -> BrokerAway:
    """The same error, which also names brokers that cannot be reached at the address by which they name themselves.

    Args:
        away: Trouble with a broker, after one was found.
        client: The consumer, producer or admin client that met it.
        servers: The addresses that we were given, host:port; the text of the error names these.
    """
    unreached = []
    for host, port in known_brokers(client):
        name = address_text(host, port)
        if name not in servers and (why := unreachable(host, port)) is not None:
            unreached.append(f"{name} ({why})")
            if len(unreached) == NAMED:
                break
    if not unreached:
        return away
    names = ", ".join(unreached)
    return BrokerAway(f"{away}. A broker names itself (advertised.listeners) and is not reached: {names}", away.kind)


def address_text(host: str, port: int) -> str:
    """Host and port as `kafka.bootstrap` has them.

    >>> address_text("kafka", 9092), address_text("::1", 9092)
    ('kafka:9092', '[::1]:9092')
    """
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def unreachable(host: str, port: int) -> str | None:
    """Why no connection to this address can be made; None when one can."""
    try:
        socket.create_connection((host, port), ADVERTISED_PROBE).close()
    except socket.gaierror as error:
        return f"this name does not resolve: {error.strerror or error}"
    except (OSError, UnicodeError) as error:  # a label of a name that is too long is a UnicodeError
        return str(error)
    return None


def _greet(server: str, trust: ssl.SSLContext | None, timeout: float) -> None:
    host, _, port = server.rpartition(":")
    name = host.strip("[]") or server
    with socket.create_connection((name, int(port)), timeout) as plain:
        if trust is not None:
            trust.wrap_socket(plain, server_hostname=name).close()


def _trust(arguments: dict[str, Any]) -> ssl.SSLContext:
    """The same TLS context that kafka-python will make. Raises UnusableFile, which names the file that is wrong."""
    cafile, certfile, keyfile = (arguments[f"ssl_{name}"] for name in ("cafile", "certfile", "keyfile"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = arguments["ssl_check_hostname"]
    if cafile is None:
        context.load_default_certs()
    else:
        _use("kafka.cafile", cafile, lambda: context.load_verify_locations(cafile))
    if keyfile is not None:
        _use("kafka.keyfile", keyfile, lambda: Path(keyfile).read_bytes())
    if certfile is not None:
        _use("kafka.certfile", certfile, lambda: context.load_cert_chain(certfile, keyfile))
    return context


def _use(setting: str, path: str, use: Callable[[], object]) -> None:
    try:
        use()
    except OSError as error:
        raise UnusableFile(setting, Path(path), error) from error


def _untrusted(error: ssl.SSLError, servers: str) -> KafkaTrouble:
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in OUT_OF_DATE:
            return Untrusted(
                f"the certificate of Kafka at {servers} is not valid now ({error.verify_message}): renew it at the "
                "broker, and look at the clock of this machine"
            )
        return Untrusted(
            f"the certificate of Kafka at {servers} is not trusted ({error.verify_message}): set kafka.cafile to the "
            "authority that signed it, and call the broker by a name that is in it"
        )
    if error.reason in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"}:
        return Untrusted(
            f"Kafka at {servers} does not speak TLS there ({error.reason}): name its TLS listener in kafka.bootstrap, "
            "or set kafka.security_protocol to PLAINTEXT or SASL_PLAINTEXT"
        )
    return Untrusted(
        f"Kafka at {servers} refuses our TLS handshake ({error.reason or error}): does it want a client certificate "
        "(kafka.certfile, kafka.keyfile)?"
    )


def client_arguments(settings: KafkaSettings, client_id: str) -> dict[str, Any]:
    """Arguments common to consumer, producer and admin client, in kafka-python's names.

    Raises:
        UnusableFile: The password file cannot be read.
    """
    arguments: dict[str, Any] = {
        "bootstrap_servers": [server.strip() for server in settings.bootstrap.split(",") if server.strip()],
        "client_id": client_id,
        "security_protocol": settings.security_protocol,
        "bootstrap_timeout_ms": int(settings.bootstrap_timeout * 1000),
        "request_timeout_ms": int(settings.request_timeout * 1000),
        "metadata_max_age_ms": int(settings.refresh_interval * 1000),
        "reconnect_backoff_max_ms": 1_000,
    }
    if settings.security_protocol.startswith("SASL"):
        arguments |= _login(settings)
    if settings.security_protocol.endswith("SSL"):
        arguments |= {
            "ssl_cafile": str(settings.cafile) if settings.cafile is not None else None,
            "ssl_certfile": str(settings.certfile) if settings.certfile is not None else None,
            "ssl_keyfile": str(settings.keyfile) if settings.keyfile is not None else None,
            "ssl_check_hostname": settings.check_hostname,
        }
    return arguments


def _login(settings: KafkaSettings) -> dict[str, Any]:
    if settings.sasl_mechanism == "OAUTHBEARER":
        return {"sasl_mechanism": settings.sasl_mechanism, "sasl_oauth_token_provider": Tokens(settings)}
    try:
        secret = settings.secret()
    except (OSError, UnicodeDecodeError) as error:
        assert settings.password_file is not None
        raise UnusableFile("kafka.password_file", settings.password_file, error) from error
    return {
        "sasl_mechanism": settings.sasl_mechanism,
        "sasl_plain_username": settings.username,
        "sasl_plain_password": secret,
    }


def compression() -> str | None:
    """The codec that batches are written with: lz4 where its package is installed, otherwise none."""
    return "lz4" if importlib.util.find_spec("lz4") is not None else None
