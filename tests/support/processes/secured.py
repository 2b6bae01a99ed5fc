"""Runs an Apache Kafka and a Redis with TLS, logins and the rights of docs/operations.md. Needs openssl."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from pathlib import Path
from typing import Any

from kafka import KafkaAdminClient
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from service.local.embedded import free_port
from tests.support.processes.apache_kafka import ApacheKafka
from tests.support.processes.processes import program, wait_until
from tests.support.processes.redis_server import RedisServer

OPERATIONS = Path(__file__).resolve().parents[3] / "docs" / "operations.md"
PASSWORD = "correct-horse-7"  # of every user; it must appear in no message and no log
LEARNER, SERVICE, STRANGER = "sluicegate-learner", "sluicegate-service", "stranger"
ITERATIONS = 4096  # of SCRAM: the fewest that Kafka takes

JAAS = "org.apache.kafka.common.security"
LISTENER = "listener.name.secure"


class Certificates:
    """An authority, and a certificate of 127.0.0.1 that it signed, as PEM files in a folder.

    `days`: how long the certificate is valid; it has expired when they are negative.
    """

    def __init__(self, folder: Path, days: int = 2) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.ca, self.key, self.certificate = folder / "ca.pem", folder / "key.pem", folder / "certificate.pem"
        self.keystore = folder / "keystore.pem"
        authority = folder / "authority.pem"
        openssl("req", "-x509", *_fresh(authority), "-out", self.ca, "-subj", "/CN=authority of a test", "-days", "2")
        request, extension = folder / "request.pem", folder / "extension"
        extension.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        openssl("req", *_fresh(self.key), "-out", request, "-subj", "/CN=server of a test")
        signed = ("-CA", self.ca, "-CAkey", authority, "-CAcreateserial", "-days", days, "-extfile", extension)
        openssl("x509", "-req", "-in", request, *signed, "-out", self.certificate)
        self.keystore.write_text(self.key.read_text() + self.certificate.read_text() + self.ca.read_text())


def _fresh(key: Path) -> tuple[object, ...]:
    return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key)


def openssl(*words: object) -> None:
    """Runs openssl, and raises with its output when it fails."""
    command = [program("openssl", "openssl"), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


class SecuredKafka(ApacheKafka):
    """A broker with two listeners: one with TLS, logins and rights, and an open one for the test, which may do all."""

    def __init__(self, folder: Path, certificates: Certificates) -> None:
        self.secure_port = free_port()
        super().__init__(folder, heap="512m", properties=_properties(self.secure_port, certificates), brief=True)
        here = self.port
        self._extra["listeners"] = self._extra["listeners"].format(here=here, controller=self.controller_port)
        self._extra["advertised.listeners"] = self._extra["advertised.listeners"].format(here=here)

    @property
    def secure(self) -> str:
        """Address of the listener with TLS and logins."""
        return f"127.0.0.1:{self.secure_port}"

    def admin(self) -> Any:
        """Returns a client that may do all. The caller closes it."""
        return KafkaAdminClient(bootstrap_servers=self.bootstrap)

    def add_scram_users(self) -> None:
        """Creates learner, service and a stranger without rights, for both SCRAM mechanisms."""
        admin = self.admin()
        try:
            wanted = [
                UserScramCredentialUpsertion(user, mechanism, PASSWORD, iterations=ITERATIONS)
                for user in (LEARNER, SERVICE, STRANGER)
                for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512)
            ]
            for each in wanted:
                assert admin.alter_user_scram_credentials([each]) == {each.user: None}
        finally:
            admin.close()

    def grant(self, namespace: str) -> None:
        """Grants the rights that docs/operations.md lists, for the topics of a namespace."""
        admin = self.admin()
        try:
            wanted = [
                ACL(f"User:{user}", "*", ACLOperation[may.upper()], ACLPermissionType.ALLOW, _resource(kind, name))
                for user, may, kind, name in documented_rights(namespace)
            ]
            assert admin.create_acls(wanted)["failed"] == []
            wait_until(lambda: len(_granted(admin)) >= len(wanted), "rights granted")
        finally:
            admin.close()

    def withdraw(self, user: str, may: str, topic: str) -> None:
        """Takes a right away that `grant` gave."""
        admin = self.admin()
        try:
            right = ACLFilter(
                f"User:{user}", "*", ACLOperation[may.upper()], ACLPermissionType.ALLOW, _resource("topic", topic)
            )
            (_, withdrawn, _) = admin.delete_acls([right])[0]
            assert len(withdrawn) == 1
        finally:
            admin.close()


def _granted(admin: Any) -> list[Any]:
    everything = ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY)
    return list(admin.describe_acls(ACLFilter(None, None, ACLOperation.ANY, ACLPermissionType.ANY, everything))[0])


def _resource(kind: str, name: str) -> ResourcePattern:
    return ResourcePattern(ResourceType[kind.upper()], name)


def documented_rights(namespace: str) -> list[tuple[str, str, str, str]]:
    """Returns (user, operation, topic or group, its name in this namespace) of each row of the table."""
    rows = re.findall(r"^\| `([\w-]+)` \| (\w+) \| (topic|group) `([\w.]+)` \|$", OPERATIONS.read_text(), re.MULTILINE)
    assert rows, "docs/operations.md lists no rights"
    return [
        (user, may, kind, f"{namespace}.{name}" if kind == "topic" else f"sluicegate.{namespace}")
        for user, may, kind, name in rows
    ]


def _properties(secure_port: int, certificates: Certificates) -> dict[str, str]:
    users = " ".join(f'user_{user}="{PASSWORD}"' for user in (LEARNER, SERVICE, STRANGER))
    unsecured = f"{JAAS}.oauthbearer.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler"
    return {
        "listeners": f"PLAINTEXT://127.0.0.1:{{here}},CONTROLLER://127.0.0.1:{{controller}},"
        f"SECURE://127.0.0.1:{secure_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{{here}},SECURE://127.0.0.1:{secure_port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL",
        "inter.broker.listener.name": "PLAINTEXT",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
        f"{LISTENER}.plain.sasl.jaas.config": f"{JAAS}.plain.PlainLoginModule required {users};",
        f"{LISTENER}.scram-sha-256.sasl.jaas.config": f"{JAAS}.scram.ScramLoginModule required;",
        f"{LISTENER}.scram-sha-512.sasl.jaas.config": f"{JAAS}.scram.ScramLoginModule required;",
        f"{LISTENER}.oauthbearer.sasl.jaas.config": f"{JAAS}.oauthbearer.OAuthBearerLoginModule required;",
        f"{LISTENER}.oauthbearer.sasl.server.callback.handler.class": unsecured,
        # Logins by token end after 3 s, so that a longer connection has to log in again.
        f"{LISTENER}.oauthbearer.connections.max.reauth.ms": "3000",
        f"{LISTENER}.ssl.keystore.type": "PEM",
        f"{LISTENER}.ssl.keystore.location": str(certificates.keystore),
    }


class SecuredRedis(RedisServer):
    """A Redis with two ports: one with TLS, and an open one for the test. Its users are those of docs/operations.md."""

    def __init__(self, folder: Path, certificates: Certificates, namespace: str) -> None:
        super().__init__(folder)
        self.secure_port = free_port()
        self._certificates, self._namespace = certificates, namespace

    @property
    def secure(self) -> str:
        """Address of the port with TLS."""
        return f"rediss://127.0.0.1:{self.secure_port}/0"

    def _command(self) -> list[str]:
        acl = self.folder / "users.acl"
        acl.write_text(documented_users(self._namespace) + "user default on nopass ~* &* +@all\n")
        files = self._certificates
        tls = ("--tls-port", self.secure_port, "--tls-cert-file", files.certificate, "--tls-key-file", files.key)
        more = ("--tls-ca-cert-file", files.ca, "--tls-auth-clients", "no", "--aclfile", acl)
        return [*super()._command(), *map(str, (*tls, *more))]


def documented_users(namespace: str) -> str:
    """Returns the ACL file of docs/operations.md, for a namespace, with a user who may do next to nothing."""
    lines = [line for line in OPERATIONS.read_text().splitlines() if line.startswith("user sluicegate-")]
    assert len(lines) == 2, "docs/operations.md has the ACLs of learner and service"
    text = "\n".join([*lines, f"user {STRANGER} on >PASSWORD -@all +@connection ~nothing"]) + "\n"
    hashed = hashlib.sha256(PASSWORD.encode()).hexdigest()
    return text.replace(">PASSWORD", f"#{hashed}").replace("{sluicegate:main}", f"{{sluicegate:{namespace}}}")


def secret_file(folder: Path, name: str, text: str) -> Path:
    """A file that only its owner may read."""
    path = folder / name
    path.touch(mode=0o600)
    path.write_text(text + "\n")
    os.chmod(path, 0o600)
    return path
