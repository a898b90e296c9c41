"""House rules about Python files that ruff does not check; each breach says what to write instead."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

FILE_LINES_MAX = 450
FUNCTION_LINES_MAX = 70
PACE = "# pace:"
_SLEEPS = frozenset({"time.sleep", "asyncio.sleep"})
_SUPPRESS = frozenset({"suppress", "contextlib.suppress"})
_EVERYTHING = frozenset({"Exception", "BaseException"})
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def code_breaches(root: Path, files: Iterable[str]) -> Iterator[str]:
    """Each place where a Python file among `files`, which are paths inside `root`, breaks a rule.

    - Nothing swallows every exception, whichever way it is written.
    - Nothing under src/ is longer than a file or a function may be.
    - No test sleeps: it waits for what it waits for. Where time itself is what is tried, or another process has to be
      asked again and again, the line says so: `# pace: why`.
    """
    for file in files:
        path = root / file
        if not file.endswith(".py") or not path.is_file():
            continue
        text = path.read_text()
        tree = ast.parse(text, file)
        yield from _swallowed(file, tree)
        if file.startswith("src/"):
            yield from _too_long(file, text, tree)
        if file.startswith("tests/"):
            yield from _sleeping(file, text.splitlines(), tree)


def _swallowed(file: str, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and all(_is_nothing(each) for each in node.body):
            yield f"{file}:{node.lineno}: an exception is swallowed: handle it, or suppress(TheOne) with a reason"
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in _SUPPRESS and _names_everything(node.args):
            yield f"{file}:{node.lineno}: every exception is suppressed: name the one that is meant"


def _names_everything(errors: list[ast.expr]) -> bool:
    return not _EVERYTHING.isdisjoint(ast.unparse(each) for each in errors)


def _is_nothing(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def _too_long(file: str, text: str, tree: ast.Module) -> Iterator[str]:
    lines_count = len(text.splitlines())
    if lines_count > FILE_LINES_MAX:
        yield f"{file}: {lines_count} lines, over {FILE_LINES_MAX}: make it a folder, split by what it is about"
    for node in ast.walk(tree):
        if isinstance(node, _Function):
            count = (node.end_lineno or node.lineno) - node.lineno + 1
            if count > FUNCTION_LINES_MAX:
                yield f"{file}:{node.lineno}: {node.name} has {count} lines, over {FUNCTION_LINES_MAX}: split it"


def _sleeping(file: str, lines: list[str], tree: ast.Module) -> Iterator[str]:
    names = _names_imported(tree)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        head, dot, rest = called.partition(".")
        if f"{names.get(head, head)}{dot}{rest}" not in _SLEEPS or _gives_way(node) or PACE in lines[node.lineno - 1]:
            continue
        yield f"{file}:{node.lineno}: a test sleeps: wait for the event itself; where there is none, say `{PACE} why`"


def _names_imported(tree: ast.Module) -> dict[str, str]:
    """What each imported name stands for, in full: `from time import sleep as nap` gives nap: time.sleep."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {each.asname: each.name for each in node.names if each.asname}
        elif isinstance(node, ast.ImportFrom):
            found |= {each.asname or each.name: f"{node.module}.{each.name}" for each in node.names}
    return found


def _gives_way(call: ast.Call) -> bool:
    """Whether it sleeps for no time at all, and only lets others run."""
    return [ast.unparse(each) for each in call.args] == ["0"]
