"""Apache Kafka and Redis with TLS, logins and the rights of docs/operations.md: the whole path, and every refusal."""

from __future__ import annotations

import base64
import json
import socketserver
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from service.doctor.examination import examine
from streaming.consumer.consumer import KafkaSource
from streaming.kafka.errors import BrokerAway, KafkaTrouble, NotAllowed, Untrusted, UnusableFile
from streaming.kafka.producer import EventProducer
from streaming.kafka.topics import Role, ensure_topics
from streaming.learner.learner import NOT_ALLOWED
from streaming.settings.loading import Settings, load_settings
from streaming.store.store import Store, StoreUnavailable
from tests.conftest import eventually
from tests.support.processes.harness import Installation, variables
from tests.support.processes.roles import Process
from tests.support.processes.secured import (
    LEARNER,
    PASSWORD,
    SERVICE,
    STRANGER,
    Certificates,
    SecuredKafka,
    SecuredRedis,
)
from tests.support.processes.secured import secret_file as secret
from tests.support.streams.streams import Shop

NAMESPACE = "secured"
EVENTS = 500
PATIENCE = 20.0  # seconds a client may look for a broker; one that must be refused must not need them
AWAY = 3.0  # the same for one that will not find any


class World:
    """The two servers, the certificates, and what to set to be let in."""

    def __init__(
        self, folder: Path, kafka: SecuredKafka, redis: SecuredRedis, certificates: Certificates, ours: Installation
    ) -> None:
        self.folder, self.kafka, self.redis, self.certificates, self.ours = folder, kafka, redis, certificates, ours
        self.password = secret(folder, "password", PASSWORD)

    def of_kafka(self, user: str, mechanism: str = "SCRAM-SHA-512", **more: object) -> dict[str, object]:
        """Settings of Kafka for a user."""
        login: dict[str, object] = {
            "kafka__bootstrap": self.kafka.secure,
            "kafka__security_protocol": "SASL_SSL",
            "kafka__sasl_mechanism": mechanism,
            "kafka__cafile": self.certificates.ca,
            "kafka__bootstrap_timeout": PATIENCE,
            "kafka__request_timeout": 10,
        }
        if mechanism == "OAUTHBEARER":
            login["kafka__token_file"] = secret(self.folder, f"token-{user}", token(user))
        else:
            login |= {"kafka__username": user, "kafka__password_file": self.password}
        return login | more

    def of_redis(self, user: str, **more: object) -> dict[str, object]:
        """Settings of Redis for a user."""
        login: dict[str, object] = {
            "redis__url": self.redis.secure,
            "redis__username": user,
            "redis__password_file": self.password,
            "redis__cafile": self.certificates.ca,
        }
        return login | more

    def settings(self, **chosen: object) -> Settings:
        """Settings as a process would read them."""
        return load_settings(None, variables({"namespace": NAMESPACE, **chosen}))


def token(user: str, life: float = 3600.0) -> str:
    """An unsecured JWS as Kafka's own validator for tests takes it."""
    now = time.time()
    claims = {"sub": user, "iat": now, "exp": now + life}
    parts = [json.dumps(part).encode() for part in ({"alg": "none"}, claims)]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + "."


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Both servers, the topics, and the rights; started once."""
    folder = tmp_path_factory.mktemp("secured")
    certificates = Certificates(folder / "certificates")
    with (
        SecuredKafka(folder / "kafka", certificates) as kafka,
        SecuredRedis(folder / "redis", certificates, NAMESPACE) as redis,
    ):
        kafka.add_scram_users()
        kafka.grant(NAMESPACE)
        with Installation(kafka.bootstrap, redis.url, folder / "ours", namespace=NAMESPACE) as ours:
            yield World(folder, kafka, redis, certificates, ours)


@pytest.fixture
def other_authority(tmp_path: Path) -> Path:
    """The certificate of an authority that signed nothing."""
    return Certificates(tmp_path / "other").ca


class Endpoint:
    """A token endpoint for one client; refuses every other, and counts."""

    def __init__(self, user: str, life: float) -> None:
        self.given = self.refused = 0
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                """RFC 6749, section 4.4."""
                sent = self.rfile.read(int(self.headers["Content-Length"]))
                known = base64.b64encode(f"{user}:{PASSWORD}".encode()).decode()
                good = self.headers["Authorization"] == f"Basic {known}" and b"grant_type=client_credentials" in sent
                endpoint.given += good
                endpoint.refused += not good
                body = {"access_token": token(user, life), "token_type": "Bearer", "expires_in": life} if good else {}
                self.send_response(200 if good else 401)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/token"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint(SERVICE, 3600.0)
    yield made
    made.close()


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"])
def test_a_login_of_every_kind_writes_and_reads(world: World, mechanism: str) -> None:
    with EventProducer(world.settings(**world.of_kafka(SERVICE, mechanism))) as producer:
        partition, offset = producer.send("slates", "k", mechanism.encode()).wait(60.0)
    with KafkaSource(
        world.settings(**world.of_kafka(LEARNER, mechanism)), [world.ours.settings.topic("slates")]
    ) as source:
        source.assign({})
        read = eventually(lambda: [each for batch in source.poll(0.5, 100) for each in batch])
    assert mechanism.encode() in [each.value for each in read], (partition, offset)


def test_a_token_is_fetched_once_for_all_connections(world: World, endpoint: Endpoint) -> None:
    settings = world.settings(
        **world.of_kafka(SERVICE, "PLAIN", kafka__sasl_mechanism="OAUTHBEARER", kafka__token_url=endpoint.url)
    )
    with EventProducer(settings) as producer:
        producer.send("slates", "k", b"by token").wait(60.0)
    assert (endpoint.given, endpoint.refused) == (1, 0)


def produce(settings: Settings) -> None:
    """Write one record; what the broker says against it is raised."""
    with EventProducer(settings) as producer:
        producer.send("events", "k", b"{}").wait(60.0)


def read_deadletters(settings: Settings) -> None:
    with KafkaSource(settings, [settings.topic("deadletter")]) as source:
        source.assign({})


def create(settings: Settings) -> None:
    ensure_topics(settings)


Refusal = tuple[Callable[[World, Path], dict[str, object]], Callable[[Settings], None], type[KafkaTrouble], list[str]]

REFUSALS: dict[str, Refusal] = {
    "a wrong password": (
        lambda world, _: world.of_kafka(LEARNER, kafka__password="wrong", kafka__password_file=None),
        produce,
        NotAllowed,
        ["refuses our login", "kafka.username"],
    ),
    "an unknown user": (
        lambda world, _: world.of_kafka("nobody", "PLAIN"),
        produce,
        NotAllowed,
        ["refuses our login", "kafka.username"],
    ),
    "a token that has ended": (
        lambda world, _: world.of_kafka(
            SERVICE, "OAUTHBEARER", kafka__token_file=secret(world.folder, "ended", token(SERVICE, -60.0))
        ),
        produce,
        NotAllowed,
        ["refuses our login", "token"],
    ),
    "a token file that is not there": (
        lambda world, _: world.of_kafka(SERVICE, "OAUTHBEARER", kafka__token_file="/nowhere/token"),
        produce,
        UnusableFile,
        ["kafka.token_file", "/nowhere/token", "No such file"],
    ),
    "a token endpoint that is away": (
        lambda world, _: world.of_kafka(
            SERVICE, "PLAIN", kafka__sasl_mechanism="OAUTHBEARER", kafka__token_url="http://127.0.0.1:1/token"
        ),
        produce,
        BrokerAway,
        ["token endpoint http://127.0.0.1:1/token", "kafka.token_url"],
    ),
    "a certificate of another authority": (
        lambda world, other: world.of_kafka(SERVICE, kafka__cafile=other),
        produce,
        NotAllowed,
        ["certificate of Kafka", "not trusted", "kafka.cafile"],
    ),
    "an authority that is no certificate": (
        lambda world, _: world.of_kafka(SERVICE, kafka__cafile=world.password),
        produce,
        UnusableFile,
        ["kafka.cafile", "password", "cannot be used"],
    ),
    "a password file that is not there": (
        lambda world, _: world.of_kafka(SERVICE, kafka__password_file="/nowhere/password"),
        produce,
        UnusableFile,
        ["kafka.password_file", "/nowhere/password"],
    ),
    "TLS where there is none": (
        lambda world, _: world.of_kafka(SERVICE, kafka__bootstrap=world.kafka.bootstrap),
        produce,
        BrokerAway,
        ["does it speak TLS there", "kafka.bootstrap", "kafka.security_protocol"],
    ),
    "no TLS where it is wanted": (
        lambda world, _: world.of_kafka(SERVICE, kafka__security_protocol="SASL_PLAINTEXT"),
        produce,
        NotAllowed,
        ["does it want TLS", "kafka.security_protocol is SASL_PLAINTEXT"],
    ),
    "no right to write a topic": (
        lambda world, _: world.of_kafka(LEARNER),
        produce,
        NotAllowed,
        ["secured.events", "rights", "docs/operations.md"],
    ),
    "no right to read a topic": (
        lambda world, _: world.of_kafka(SERVICE),
        read_deadletters,
        NotAllowed,
        ["secured.events.deadletter", "docs/operations.md"],
    ),
    "no right to see or create topics": (
        lambda world, _: world.of_kafka(STRANGER),
        create,
        NotAllowed,
        ["secured.events", "create it, or grant", "docs/operations.md"],
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_kafka_refuses_is_said_with_the_thing_and_the_next_step(
    world: World, other_authority: Path, case: str
) -> None:
    chosen, act, kind, words = REFUSALS[case]
    patience = {"kafka__bootstrap_timeout": AWAY if kind is BrokerAway else PATIENCE}
    began = time.monotonic()
    with pytest.raises(kind) as caught:
        act(world.settings(**chosen(world, other_authority) | patience))
    said = str(caught.value)
    assert [word for word in words if word not in said] == [], said
    assert PASSWORD not in said
    # What trying again cannot mend ends the search for a broker.
    assert kind is BrokerAway or time.monotonic() - began < PATIENCE


REDIS_REFUSALS: dict[str, tuple[Callable[[World, Path], dict[str, object]], str, list[str]]] = {
    "a wrong password": (
        lambda world, _: world.of_redis(LEARNER, redis__password="wrong", redis__password_file=None),
        "auth",
        ["redis.username", "redis.password_file"],
    ),
    "a certificate of another authority": (
        lambda world, other: world.of_redis(LEARNER, redis__cafile=other),
        "tls",
        ["redis.cafile", "certificate verify failed"],
    ),
    "TLS where there is none": (
        lambda world, _: world.of_redis(LEARNER, redis__url=world.redis.url.replace("redis:", "rediss:")),
        "connection",
        ["redis.url right (rediss:// for TLS)"],
    ),
    "no right": (lambda world, _: world.of_redis(STRANGER), "auth", ["hmget", "docs/operations.md"]),
    "no TLS where it is wanted": (
        lambda world, _: world.of_redis(LEARNER, redis__url=world.redis.secure.replace("rediss:", "redis:")),
        "connection",
        ["redis.url"],
    ),
}


@pytest.mark.parametrize("case", REDIS_REFUSALS)
def test_what_redis_refuses_is_said_with_the_next_step(world: World, other_authority: Path, case: str) -> None:
    chosen, kind, words = REDIS_REFUSALS[case]
    store = Store.for_service(world.settings(**chosen(world, other_authority)))
    try:
        with pytest.raises(StoreUnavailable) as caught:
            store.head()
    finally:
        store.close()
    said = str(caught.value)
    assert (caught.value.kind, [word for word in words if word not in said]) == (kind, []), said
    assert PASSWORD not in said


@pytest.fixture
def expired(tmp_path: Path) -> Iterator[tuple[str, Certificates]]:
    """Address of a server whose certificate has expired, and its certificates; the handshake is all that it can."""
    certificates = Certificates(tmp_path / "expired", days=-1)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate, certificates.key)

    class Handshake(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with pytest.raises(ssl.SSLError):
                context.wrap_socket(self.request, server_side=True)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handshake) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}", certificates
        server.shutdown()


def test_a_certificate_that_has_expired_is_named_with_the_next_step(expired: tuple[str, Certificates]) -> None:
    address, certificates = expired
    kafka = {"kafka__bootstrap": address, "kafka__security_protocol": "SSL", "kafka__cafile": certificates.ca}
    with pytest.raises(Untrusted) as refused:
        produce(load_settings(None, variables(kafka)))
    assert "has expired" in str(refused.value)
    assert "renew it at the broker" in str(refused.value)
    redis = {"redis__url": f"rediss://{address}/0", "redis__cafile": certificates.ca}
    store = Store.for_service(load_settings(None, variables(redis)))
    try:
        with pytest.raises(StoreUnavailable) as caught:
            store.head()
    finally:
        store.close()
    assert caught.value.kind == "tls"
    assert "certificate has expired" in str(caught.value)


def test_an_event_is_learnt_and_served_with_tls_logins_and_the_least_rights(world: World) -> None:
    ours, began = world.ours, time.time()
    ours.store.call("ACL", "LOG", "RESET")
    learner = ours.learner(wait=False, **world.of_kafka(LEARNER), **world.of_redis(LEARNER))
    service = ours.service(wait=False, **world.of_kafka(SERVICE, "OAUTHBEARER"), **world.of_redis(SERVICE))
    refused = ours.learner(
        wait=False,
        namespace=f"{NAMESPACE}2",
        **world.of_kafka(LEARNER, kafka__password="wrong", kafka__password_file=None),
    )
    ours.post_raw(b"{}", b"k", began, None, "rejected")
    ours.send(Shop(seed=5).stream(EVENTS, began - EVENTS * 0.01, interval=0.01))
    ours.wait(learner.ready, "the learner is ready", learner)
    ours.wait_learnt(learner)
    ours.wait(service.ready, "the service is ready", learner, service)
    click = {"event_type": "click", "user_id": "ann", "item_id": "item-3-4", "timestamp": time.time()}
    status, answer = service.ask("POST", "/events", click)
    assert status == 202, answer
    ours.wait(
        lambda: consumed_by_what_is_served(service) == len(ours.ledger) + 1,
        "the click is learned and served",
        learner,
        service,
    )
    status, answer = service.ask("PUT", "/users/ann", {"attributes": {"plan": "pro"}})
    assert (status, answer["outcome"]) == (202, "accepted"), answer
    assert [event["item_id"] for event in service.history("ann")] == ["item-3-4"]
    assert len(ours.read(ours.settings.topic("deadletter"), 1)) == 1
    assert learner.metrics()["sluicegate_mirror_commit_failures_total"] == 0
    assert ours.store.call("ACL", "LOG") == [], "Redis refused something: docs/operations.md grants too little"
    assert (refused.wait_exit(), refused.said("refuses our login")) == (NOT_ALLOWED, True), ours.logs()
    assert not any(process.said(PASSWORD) for process in ours.processes)


def consumed_by_what_is_served(service: Process) -> int:
    """Records in the version that answers now; -1 while there is none."""
    progress = service.get("/model")[1].get("progress")
    return int(progress["consumed"]) if progress else -1


def test_the_doctor_is_content_with_the_least_rights_and_says_what_it_may_not_see(world: World) -> None:
    settings = world.settings(**world.of_kafka(LEARNER), **world.of_redis(LEARNER))
    findings = examine(settings, time.time(), 20.0)
    about = [finding for finding in findings if finding.check.startswith(("kafka.", "redis.", "settings."))]
    assert [finding for finding in about if finding.state == "failure"] == []


def test_a_right_that_is_withdrawn_costs_its_topic_alone_and_counts_again_once_it_is_given_back(world: World) -> None:
    def outcome(role: Role) -> str:
        try:
            producer.send(role, "k", b"{}").wait(10.0)
        except KafkaTrouble as error:
            return type(error).__name__
        return "taken"

    with EventProducer(world.settings(**world.of_kafka(SERVICE))) as producer:
        assert (outcome("events"), outcome("slates")) == ("taken", "taken")
        world.kafka.withdraw(SERVICE, "write", world.settings().topic("events"))
        try:
            eventually(lambda: outcome("events") == "NotAllowed")
            assert (outcome("slates"), outcome("events"), outcome("slates")) == ("taken", "NotAllowed", "taken")
        finally:
            world.kafka.grant(NAMESPACE)
        eventually(lambda: outcome("events") == "taken")
        assert outcome("slates") == "taken"
        assert producer.renewals == 0
