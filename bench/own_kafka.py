"""A Kafka broker as a process of its own, for tests and benchmarks: started, killed and started again on purpose."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import Self
from uuid import uuid4

import psutil
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from msgspec import Struct

from bench.servers import free_ports

_BROKER = Path(__file__).parents[1] / "script" / "broker"
_START_S = 60.0
_HEAP_MB = 320

# Without C2, whose compiling takes more than it saves in the minutes that a test or a benchmark lasts.
_JVM = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError", "-Djava.awt.headless=true")

# One broker that is its own controller. Groups form at once, as nobody else is coming, and one that was killed is
# forgotten after a second, so that it can come back.
_PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners={listeners},CONTROLLER://127.0.0.1:{controller}
advertised.listeners={listeners}
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,DOOR:SASL_SSL
log.dirs={folder}/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
auto.create.topics.enable=false
log.retention.check.interval.ms=200
log.segment.delete.delay.ms=0
broker.heartbeat.interval.ms=200
broker.session.timeout.ms=1000
"""

# A second way in, for one user by name; who comes by the first is nobody, and may do everything.
_DOOR = """
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.door.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.door.ssl.keystore.type=PEM
listener.name.door.ssl.keystore.location={pem}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
"""


class Door(Struct, frozen=True):
    """A guarded way in: a file with a key and its certificate, and who is known there."""

    pem: Path
    username: str
    password: str


class NoBroker(Exception):
    """There can be no Kafka here; the message says why."""


def jars() -> Path:
    """The folder of the broker's jars, fetched where that is possible. Raises: NoBroker."""
    ran = subprocess.run([_BROKER], capture_output=True, text=True, check=False)  # noqa: S603 - our own
    if ran.returncode != 0:
        raise NoBroker(f"no Kafka: {ran.stderr.strip()}")
    return Path(ran.stdout.strip())


def is_there() -> bool:
    """Whether Kafka can be run; when not, says that the benchmark is skipped."""
    try:
        jars()
    except NoBroker as error:
        sys.stderr.write(f"skipped: this benchmark needs a Kafka broker: {error}\n")
        return False
    return True


class KafkaProcess:
    """One broker on loopback, its data in `folder`. Use it as a context manager: it never outlives it.

    It can be killed and started again at the same address with what it had written.
    """

    def __init__(self, folder: Path, *, jars: Path, door: Door | None = None) -> None:
        self.port, self._door_port, controller = free_ports()
        self._folder = folder
        self._java = ["java", f"-Xmx{_HEAP_MB}m", *_JVM, "-cp", f"{jars}/*"]
        self.door = door
        listeners = f"PLAINTEXT://127.0.0.1:{self.port}"
        if door is not None:
            listeners += f",DOOR://127.0.0.1:{self._door_port}"
        self._properties = _PROPERTIES.format(listeners=listeners, controller=controller, folder=folder)
        if door is not None:
            self._properties += _DOOR.format(pem=door.pem)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def servers(self) -> str:
        """Its address, as `kafka.servers` takes it."""
        return f"127.0.0.1:{self.port}"

    @property
    def guarded(self) -> str:
        """The address of its door, where who comes has to sign in over TLS and may do what ACLs allow."""
        return f"127.0.0.1:{self._door_port}"

    @property
    def family(self) -> list[psutil.Process]:
        """Its process, as long as it runs."""
        running = self._process is not None and self._process.poll() is None
        return [psutil.Process(self._process.pid)] if running and self._process else []

    def start(self) -> None:
        """Starts it and returns when it answers. Raises: RuntimeError with the end of its log when it does not."""
        configuration = self._folder / "server.properties"
        if not configuration.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            configuration.write_text(self._properties)
            self._format(configuration)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own
                [*self._java, "kafka.Kafka", str(configuration)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            self._until_it_answers()
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """`kill -9`: what it had not written is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    @property
    def _log(self) -> Path:
        return self._folder / "broker.log"

    def _format(self, configuration: Path) -> None:
        arguments = ["format", "-t", uuid4().hex[:22], "-c", str(configuration)]
        if self.door is not None:
            user = f"name={self.door.username},password={self.door.password}"
            arguments += ["--add-scram", f"SCRAM-SHA-512=[{user}]"]
        ran = subprocess.run(  # noqa: S603 - our own
            [*self._java, "kafka.tools.StorageTool", *arguments], capture_output=True, text=True, check=False
        )
        if ran.returncode != 0:
            raise RuntimeError(f"the broker's data folder could not be made:\n{ran.stdout}{ran.stderr}")

    def _until_it_answers(self) -> None:
        last_s = monotonic() + _START_S
        admin = AdminClient({"bootstrap.servers": self.servers, "log_level": 0, "reconnect.backoff.max.ms": 100})
        while not _answers(admin):
            if not self.family or monotonic() > last_s:
                raise RuntimeError(f"the broker does not run:\n{self._log.read_text(errors='replace')[-4_000:]}")
            sleep(0.05)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


def _answers(admin: AdminClient) -> bool:
    try:
        return bool(admin.list_topics(timeout=0.5).brokers)
    except KafkaException:
        return False
