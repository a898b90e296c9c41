"""Schema registries for tests: a small one of our own over real HTTP, and Apicurio where this machine has it.

The small one answers the part of Confluent's public REST API that the client uses, and judges compatibility with
fastavro's own reading, not with the code under test. Apicurio is a real registry, from Maven Central:

    mvn dependency:get -Dartifact=io.apicurio:apicurio-registry-app:3.0.9:tar.gz:all -Dtransitive=false

Where its archive lies in Maven's folder and there is a Java 17, the same tests run against it too.
"""

from __future__ import annotations

import base64
import json
import shutil
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from subprocess import DEVNULL, Popen
from threading import Lock, Thread
from typing import Any
from urllib.parse import unquote

import httpx
from fastavro import parse_schema, schemaless_reader, schemaless_writer
from fastavro.utils import generate_one

from bench.servers import free_ports

APICURIO = "apicurio-registry-app-3.0.9"
ARCHIVE = Path.home() / ".m2/repository/io/apicurio/apicurio-registry-app/3.0.9" / f"{APICURIO}-all.tar.gz"
STARTING_S = 180.0
MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"


class Shelf:
    """What the small registry knows, and what it was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.schemas: list[str] = []
        self.subjects: dict[str, list[int]] = {}
        self.levels: dict[str, str] = {}
        self.asked: list[str] = []
        self.broken = False
        self.password = ""
        self._lock = Lock()

    def register(self, subject: str, text: str) -> tuple[int, Any]:
        with self._lock:
            versions = self.subjects.setdefault(subject, [])
            for known in versions:
                if json.loads(self.schemas[known - 1]) == json.loads(text):
                    return 200, {"id": known}
            try:
                parse_schema(json.loads(text))
            except Exception as error:
                return 422, {"error_code": 42201, "message": repr(error)}
            transitive = self.levels.get(subject, "BACKWARD") == "BACKWARD_TRANSITIVE"
            for known in versions if transitive else versions[-1:]:
                if not understands(text, self.schemas[known - 1]):
                    return 409, {"error_code": 409, "message": f"not compatible with schema {known}"}
            self.schemas.append(text)
            versions.append(len(self.schemas))
            return 200, {"id": len(self.schemas)}

    def schema(self, number: int) -> tuple[int, Any]:
        if not 1 <= number <= len(self.schemas):
            return 404, {"error_code": 40403, "message": "Schema not found"}
        return 200, {"schema": self.schemas[number - 1]}


def understands(reader: str, writer: str) -> bool:
    """Whether fastavro reads with one schema what it has written with another."""
    writing, reading = parse_schema(json.loads(writer)), parse_schema(json.loads(reader))
    for _ in range(5):
        stream = BytesIO()
        schemaless_writer(stream, writing, generate_one(writing))
        stream.seek(0)
        try:
            schemaless_reader(stream, writing, reading)
        except Exception:
            return False
    return True


class Handler(BaseHTTPRequestHandler):
    """One request to the shelf."""

    shelf: Shelf

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def log_message(self, *_: Any) -> None:
        """Says nothing."""

    def _answer(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.shelf.asked.append(f"{self.command} {self.path}")
        status, body = self._said(json.loads(raw) if raw else None)
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", MEDIA_TYPE)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _said(self, body: Any) -> tuple[int, Any]:
        if self.shelf.broken:
            return 500, {"error_code": 50001, "message": "Error in the backend data store"}
        if self.shelf.password:
            wanted = base64.b64encode(f"user:{self.shelf.password}".encode()).decode()
            if self.headers.get("authorization") != f"Basic {wanted}":
                return 401, {"error_code": 401, "message": "Unauthorized"}
        match [self.command, *map(unquote, self.path.strip("/").split("/"))]:
            case ["POST", "subjects", subject, "versions"]:
                return self.shelf.register(subject, body["schema"])
            case ["GET", "schemas", "ids", number]:
                return self.shelf.schema(int(number))
            case ["PUT", "config", subject]:
                self.shelf.levels[subject] = body["compatibility"]
                return 200, body
        return 404, {"error_code": 404, "message": "HTTP 404 Not Found"}


@contextmanager
def small() -> Iterator[Shelf]:
    """The small registry, while the block runs."""
    shelf = Shelf()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("OfShelf", (Handler,), {"shelf": shelf}))
    shelf.url = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield shelf
    finally:
        server.shutdown()
        server.server_close()


def has_apicurio() -> bool:
    """Whether Apicurio can be started here."""
    return ARCHIVE.is_file() and shutil.which("java") is not None


@contextmanager
def apicurio(folder: Path) -> Iterator[str]:
    """Apicurio on a database in memory: the address of its Confluent-compatible API."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    port = free_ports()[0]
    command = ["java", "-Xmx512m", f"-Dquarkus.http.port={port}", "-Dquarkus.http.host=127.0.0.1"]
    server = Popen([*command, "-jar", f"{APICURIO}-runner.jar"], cwd=folder, stdout=DEVNULL, stderr=DEVNULL)  # noqa: S603
    url = f"http://127.0.0.1:{port}/apis/ccompat/v7"
    try:
        _until_it_answers(f"{url}/subjects", server)
        yield url
    finally:
        server.kill()
        server.wait()


def _until_it_answers(url: str, server: Popen[bytes]) -> None:
    until_s = time.monotonic() + STARTING_S
    while server.poll() is None and time.monotonic() < until_s:
        try:
            if httpx.get(url).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.2)  # pace: another process starts
    raise RuntimeError("Apicurio does not answer")
