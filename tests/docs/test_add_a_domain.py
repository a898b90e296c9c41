"""What docs/add-a-domain.md says, done: in a copy of the package the domain is checked, tested and served."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from numba.core.caching import UserProvidedCacheLocator

from bench.servers import ServerProcess
from overworld.client import Socket
from tests.docs.pages import ROOT, Block, read

PAGE = "docs/add-a-domain.md"
COPIED = (
    "src", "bench", "script", "docs", "pyproject.toml",
    "tests/certificates.py", "tests/conftest.py", "tests/nursery.py", "tests/thinned.py",
)  # fmt: skip
NEW = ("python", "sql")
COMPILING_S = 300.0  # where the checkout's own kernels are not compiled yet


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """A copy of the package in which everything was done that the page says."""
    folder: Path = tmp_path_factory.mktemp("house")
    for name in COPIED:
        (folder / name).parent.mkdir(exist_ok=True)
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, folder / name)
    for block in read(PAGE).blocks:
        if block.language in NEW:
            file = folder / file_of(block)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text)
        elif block.language == "diff":
            file = folder / file_of(block)
            file.write_text(changed(file.read_text(), block.text))
    take_kernels(folder)
    take_types(folder)
    return folder


def take_kernels(copy: Path) -> None:
    """Gives the copy what is compiled already: Numba keeps it by the path of a source, and trusts it by its text."""
    for source in {file.parent for file in (ROOT / "src").rglob("*.py")}:
        compiled, own = (
            UserProvidedCacheLocator.get_suitable_cache_subpath(str(folder / "any.py"))
            for folder in (source, copy / source.relative_to(ROOT))
        )
        if (kept := Path(os.environ["NUMBA_CACHE_DIR"]) / compiled).is_dir():
            shutil.copytree(kept, copy / "kernels" / own)


def take_types(copy: Path) -> None:
    """Gives the copy what mypy knows of the checkout, if anything: it trusts it file by file, by their text."""
    if (kept := ROOT / ".mypy_cache").is_dir():
        shutil.copytree(kept, copy / ".mypy_cache")


def file_of(block: Block) -> str:
    """The file that a block shows: it is named in the line above it."""
    return block.before.strip().removeprefix("`").removesuffix("`:")


def changed(text: str, diff: str) -> str:
    """The text with a change made; its parts stand between lines of `@@`, in the order of the file."""
    lines, at = text.splitlines(), 0
    for part in diff.split("@@\n"):
        old = [line[1:] for line in part.splitlines() if line[:1] in (" ", "-")]
        new = [line[1:] for line in part.splitlines() if line[:1] in (" ", "+")]
        found = [i for i in range(at, len(lines)) if lines[i : i + len(old)] == old]
        assert found, f"not in the file any more, below line {at}:\n{part}"
        lines[found[0] : found[0] + len(old)] = new
        at = found[0] + len(new)
    return "\n".join(lines) + "\n"


def run(copy: Path, *command: str) -> str:
    """Runs a module of Python in the copy; gives what it printed. It has to succeed."""
    environment = os.environ | environment_of(copy)
    ran = subprocess.run(  # noqa: S603 - words of ours
        [sys.executable, "-m", *command], cwd=copy, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def environment_of(copy: Path) -> dict[str, str]:
    """What makes a process use the package of the copy, and leave nothing behind elsewhere."""
    return {"PYTHONPATH": f"{copy / 'src'}{os.pathsep}{copy}", "NUMBA_CACHE_DIR": str(copy / "kernels")}


@pytest.mark.slow
def test_it_passes_the_checks_of_the_house(copy):
    new = [str(copy / file_of(block)) for block in read(PAGE).blocks if block.language in ("python", "diff")]
    run(copy, "ruff", "check", "--no-cache", *new)
    run(copy, "ruff", "format", "--no-cache", "--check", *new)
    run(copy, "mypy", *new)
    contracts = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports())"
    (copy / "contracts.py").write_text(contracts)
    assert ", 0 broken." in run(copy, "contracts")


@pytest.mark.slow
def test_the_tests_that_it_shows_pass(copy):
    shown = [file_of(block) for block in read(PAGE).blocks if "/test_" in file_of(block)]
    assert len(shown) == 2
    assert " passed" in run(copy, "pytest", "-p", "no:cacheprovider", *shown)


@pytest.mark.slow
def test_the_reference_speaks_of_it(copy):
    run(copy, "script.build_docs")
    written = {file.name: file.read_text() for file in (copy / "docs" / "reference").glob("*.md")}
    assert "### POST /v1/postcards" in written["http.md"]
    assert "`postcards.to_yourself`" in written["errors.md"]
    assert "## events.postcard.sent" in written["events.md"]


@pytest.mark.slow
async def test_a_server_with_it_delivers_a_postcard(copy, tmp_path):
    async with AsyncExitStack() as stack:
        server = ServerProcess(tmp_path, environment=environment_of(copy))
        stack.push_async_exit(server)
        await server.start(timeout_s=COMPILING_S)
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=server.http))
        ann, bob = [(await http.post("/v1/auth/device", json={"device_id": f"x{uuid4()}"})).json() for _ in range(2)]
        async with await connected(server, bob["access_token"]) as socket:
            await socket.subscribe([f"user:{bob['user']['id']}"])
            body = {"to": bob["user"]["id"], "text": "Wish you were here"}
            headers = {"Authorization": f"Bearer {ann['access_token']}", "Idempotency-Key": "one"}
            sent = [await http.post("/v1/postcards", json=body, headers=headers) for _ in range(2)]
            async with asyncio.timeout(10):
                event = await socket.events.get()
    assert [(reply.status_code, reply.headers.get("Idempotency-Replayed")) for reply in sent] == [
        (201, None),
        (201, "true"),
    ]
    assert (event.type, event.data) == (
        "postcards.received",
        {"id": sent[0].json()["id"], "sender_id": ann["user"]["id"], "text": "Wish you were here"},
    )


async def connected(server: ServerProcess, token: str) -> Socket:
    async def given() -> str:
        return token

    return await Socket.connect(server.realtime, token=given)


def test_a_change_whose_place_is_gone_is_told():
    with pytest.raises(AssertionError, match="not in the file any more"):
        changed("a\nb\n", " a\n-c\n")


def test_a_change_is_made_where_it_belongs_in_the_order_of_the_file():
    text = "class A:\n    x\nclass B:\n    x\n"
    assert changed(text, " class B:\n     x\n+    y\n") == "class A:\n    x\nclass B:\n    x\n    y\n"
