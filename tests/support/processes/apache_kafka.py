"""Runs a single-node Apache Kafka (KRaft). Needs Java 17 and, the first time, Maven.

`python -m tests.support.processes.apache_kafka` prints the bootstrap address and runs one until Ctrl-C.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import os
import socket
import struct
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from service.local.embedded import EmbeddedError, free_port
from tests.support.processes.installed import Installed, run
from tests.support.processes.processes import Missing, Server, program

VERSION = "4.1.0"
POM = Path(__file__).with_name("pom.xml")
# Any fixed 16 bytes in base64: the node is its whole cluster, and a fixed id keeps data folders interchangeable.
CLUSTER_ID = "c2x1aWNlZ2F0ZS10ZXN0cw"
START_SECONDS = 60.0  # 2 to 4 s on an idle machine; a busy 2-core one has needed 15

BRIEF: Final = ("-XX:TieredStopAtLevel=1",)
"""Options of Java for a broker of a test: without its second compiler, whose code pays only after minutes of load."""
COLLECTORS: Final = {True: "-XX:+UseSerialGC", False: "-XX:+UseG1GC"}
"""How Java collects garbage, by whether it is for a test: without threads of its own for that, a broker starts with
less processor time, and idles with less."""

# The short session lets a killed broker come back in seconds: until it ends, its own registration is "already in use".
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
"""


def libraries(cache: Path | None = None) -> Path:
    """Returns the folder with Kafka's jars; Maven fills it on first use (43 MB, under a minute)."""
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "sluicegate"
    home = (cache or default) / f"kafka-{VERSION}"
    home.mkdir(parents=True, exist_ok=True)
    libs = home / "libs"
    with _alone(home / "lock"):
        if not libs.is_dir():
            _download(home, libs)
    return libs


@contextlib.contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Of two test runs at once one fills the cache, and the other waits."""
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def classes(libs: Path, java: str) -> Path:
    """Returns Java's archive of the classes that a broker loads; a first broker makes it, and ends.

    With it a broker starts with half the processor time. Java passes over an archive that does not fit its own version
    or the jars, so it only has to be made again for another Java.
    """
    program_file = Path(java).resolve()
    which = hashlib.sha256(f"{program_file} {program_file.stat().st_mtime_ns}".encode()).hexdigest()[:8]
    made = libs.with_name(f"classes-{which}.jsa")
    with _alone(libs.with_name("classes.lock")):
        if not made.exists():
            with tempfile.TemporaryDirectory(dir=libs.parent) as partial:
                written = Path(partial) / made.name
                with ApacheKafka(Path(partial) / "broker", options=(*BRIEF, f"-XX:ArchiveClassesAtExit={written}")):
                    pass
                written.rename(made)  # an archive of that name is always complete
    return made


def _download(home: Path, libs: Path) -> None:
    maven = program("mvn", "maven")
    with tempfile.TemporaryDirectory(dir=home) as partial:
        jars = Path(partial) / "libs"
        command = [maven, "-B", "-q", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={jars}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            said = (done.stdout + done.stderr).strip()[-2000:]
            raise Missing(f"Maven could not fetch Apache Kafka {VERSION}; is the network there?\n{said}")
        jars.rename(libs)  # a folder named libs is always complete


class ApacheKafka(Installed):
    """A broker. `kill` leaves a log that `start` recovers.

    `brief`: for a test, which is over before all of a broker's code is worth compiling well; not for a benchmark.
    """

    patience = START_SECONDS
    farewell = 30.0

    def __init__(
        self,
        folder: Path | None = None,
        port: int | None = None,
        controller_port: int | None = None,
        heap: str = "1g",
        properties: dict[str, str] | None = None,
        brief: bool = False,
        options: Sequence[str] = (),
    ) -> None:
        super().__init__(folder, port)
        self.controller_port = controller_port or free_port()
        self.heap = heap
        self._extra = properties or {}
        self._brief, self._options = brief, options

    @property
    def bootstrap(self) -> str:
        """The address that clients connect to."""
        return f"127.0.0.1:{self.port}"

    address = bootstrap

    def prepare(self) -> Server:
        """Formats the folder the first time. The broker counts as started when it answers a metadata request."""
        program_file = program("java", "default-jdk-headless")
        libs = libraries()
        archive = [f"-XX:SharedArchiveFile={classes(libs, program_file)}"] if self._brief else []
        java = [program_file, *self._options, *(BRIEF if self._brief else ()), *archive, "-cp", f"{libs}/*"]
        settings = self._write_properties()
        if not (self.folder / "data" / "meta.properties").exists():
            self._format(java, settings)
        command = [*java, f"-Xmx{self.heap}", f"-Xms{self.heap}", COLLECTORS[self._brief], "kafka.Kafka", str(settings)]
        return Server("Apache Kafka", command, self.port, self.folder / "kafka.log", _ready)

    def _write_properties(self) -> Path:
        text = PROPERTIES.format(
            port=self.port, controller_port=self.controller_port, data=self.folder / "data"
        ) + "".join(f"{key}={value}\n" for key, value in self._extra.items())
        path = self.folder / "server.properties"
        path.write_text(text)
        return path

    @staticmethod
    def _format(java: Sequence[str], settings: Path) -> None:
        command = [*java, "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(settings)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise EmbeddedError(f"Kafka could not format its data folder:\n{(done.stdout + done.stderr)[-2000:]}")


def brokers_known(port: int) -> int:
    """Returns the number of brokers that a Metadata request (version 1, no topics) names; 0 while nothing answers.

    Asked in eight lines of the protocol itself, so that a broker that is starting fills no client's log.
    """
    header = struct.pack(">hhih", 3, 1, 1, -1)  # api key Metadata, version 1, correlation id 1, no client id
    request = header + struct.pack(">i", 0)  # an empty list of topics
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0) as link:
        link.sendall(struct.pack(">i", len(request)) + request)
        answer = link.makefile("rb").read(12)  # size, correlation id, length of the broker list
        return int(struct.unpack(">iii", answer)[2]) if len(answer) == 12 else 0
    return 0


def _ready(port: int) -> bool:
    return brokers_known(port) > 0


def main() -> int:
    """Runs a broker until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.processes.apache_kafka", description=main.__doc__)
    parser.add_argument("--port", type=int, help="port to listen on (a free one by default)")
    parser.add_argument("--folder", type=Path, help="keep data here (a temporary folder by default)")
    parser.add_argument("--fetch-only", action="store_true", help="only fill the cache of jars and classes")
    options = parser.parse_args()
    if not options.fetch_only:
        return run(lambda: ApacheKafka(options.folder, options.port))
    try:
        libs = libraries()
        classes(libs, program("java", "default-jdk-headless"))
        print(libs)
    except Missing as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
