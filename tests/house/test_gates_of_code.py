"""The gate for Python files finds what it is there for, and lets through what only looks like it."""

from __future__ import annotations

from pathlib import Path

import pytest

from script.gates_of_code import FILE_LINES_MAX, FUNCTION_LINES_MAX, code_breaches


def found(root: Path, file: str, text: str) -> list[str]:
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    (root / file).write_text(text)
    return [breach.partition(": ")[0] for breach in code_breaches(root, [file, "deleted.py", "notes.md"])]


@pytest.mark.parametrize(
    "text",
    [
        "try:\n    work()\nexcept OSError:\n    pass\n",
        "try:\n    work()\nexcept:\n    ...\n",
        "try:\n    work()\nexcept Exception:\n    'no matter'\n",
        "with suppress(ValueError,\n              Exception):\n    work()\nwork()",
        "\n\nwith contextlib.suppress(BaseException):\n    work()\n",
    ],
)
def test_a_swallowed_exception_is_found(tmp_path, text):
    (where,) = found(tmp_path, "script/work.py", text)
    assert where in {"script/work.py:1", "script/work.py:3"}


def test_an_exception_that_is_handled_or_named_is_let_through(tmp_path):
    handled = "try:\n    work()\nexcept OSError:\n    again = True\nwith suppress(KeyError):\n    work()\n"
    assert found(tmp_path, "src/work.py", handled) == []


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("import time\ntime.sleep(0.1)\n", "tests/test_work.py:2"),
        ("from time import sleep as nap\nnap(1)\n", "tests/test_work.py:2"),
        ("import asyncio as aio\nasync def test_it():\n    await aio.sleep(delay)\n", "tests/test_work.py:3"),
        ("from asyncio import sleep\nasync def test_it():\n    await sleep(0.0)\n", "tests/test_work.py:3"),
    ],
)
def test_a_test_that_sleeps_is_found_under_any_name(tmp_path, text, where):
    assert found(tmp_path, "tests/test_work.py", text) == [where]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("tests/test_work.py", "import asyncio\nasync def test_it():\n    await asyncio.sleep(0)\n"),
        ("tests/test_work.py", "import time\ntime.sleep(0.1)  # pace: one at a time\n"),
        ("tests/test_work.py", "self.clock.sleep(5)\n"),
        ("bench/work.py", "import time\ntime.sleep(0.1)\n"),
    ],
)
def test_giving_way_a_pace_and_other_sleeps_are_let_through(tmp_path, file, text):
    assert found(tmp_path, file, text) == []


@pytest.mark.parametrize(("lines", "where"), [(FUNCTION_LINES_MAX, []), (FUNCTION_LINES_MAX + 1, ["src/work.py:3"])])
def test_a_function_that_is_too_long_is_found_in_the_product_alone(tmp_path, lines, where):
    text = "class Work:\n    @property\n    async def done(self):\n" + "        work()\n" * (lines - 1)
    assert found(tmp_path, "src/work.py", text) == where
    assert found(tmp_path, "tests/work.py", text) == []


@pytest.mark.parametrize(("lines", "where"), [(FILE_LINES_MAX, []), (FILE_LINES_MAX + 1, ["src/work.py"])])
def test_a_file_that_is_too_long_is_found_in_the_product_alone(tmp_path, lines, where):
    assert found(tmp_path, "src/work.py", "work()\n" * lines) == where
    assert found(tmp_path, "bench/work.py", "work()\n" * lines) == []
