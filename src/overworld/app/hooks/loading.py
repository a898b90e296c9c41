"""The hooks of a `rules.py`: which there are, and whether they are declared as they have to be."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from msgspec import Struct

from overworld.app.definition import DefinitionError, did_you_mean

FILE_NAME = "rules.py"
NAMES = ("on_claim",)
RESERVED = ("damage", "quest_progress")


class Hooks(Struct, frozen=True):
    """The hooks of a definition: the functions by name, and the SHA-256 of the file, empty where there is none."""

    functions: Mapping[str, Callable[..., Any]] = {}
    digest: str = ""


class HookFaults(Exception):
    """Everything that is wrong with a rules.py."""

    def __init__(self, file: Path, errors: Sequence[DefinitionError]) -> None:
        super().__init__("\n".join(map(str, errors)))
        self.file = file
        self.errors = tuple(errors)


def load(folder: Path) -> Hooks:
    """The hooks in a folder; none where it has no `rules.py`. The file is run.

    Raises: HookFaults.
    """
    file = folder / FILE_NAME
    try:
        source = file.read_bytes()
    except FileNotFoundError:
        return Hooks()
    except OSError as error:
        raise HookFaults(file, [DefinitionError(path="", problem=f"cannot be read: {error.strerror}")]) from error
    digest = sha256(source).hexdigest()
    module = ModuleType(f"overworld_rules_{digest[:12]}")
    module.__file__ = str(file)
    sys.modules[module.__name__] = module  # where dataclasses and the like look for it
    try:
        exec(compile(source, str(file), "exec"), module.__dict__)  # noqa: S102  # the operator's own code
    except Exception as error:
        raise HookFaults(file, [located(error, file)]) from error
    functions = {
        name: one
        for name, one in vars(module).items()
        if isinstance(one, FunctionType) and one.__module__ == module.__name__ and not name.startswith("_")
    }
    faults = [fault for name, one in functions.items() if (fault := _misdeclared(name, one)) is not None]
    if faults:
        raise HookFaults(file, faults)
    return Hooks(functions, digest)


def located(error: Exception, file: Path) -> DefinitionError:
    """What was raised, and in which line of the file."""
    line = error.lineno if isinstance(error, SyntaxError) else None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(file):
            line = trace.tb_lineno
        trace = trace.tb_next
    return DefinitionError(path=FILE_NAME, problem=f"{type(error).__name__}: {error}", line=line)


def _misdeclared(name: str, function: FunctionType) -> DefinitionError | None:
    line = function.__code__.co_firstlineno
    if name in RESERVED:
        return DefinitionError(path=name, problem="nothing calls this hook yet", line=line)
    if name not in NAMES:
        hint = f"{did_you_mean(name, NAMES)}; a helper's name begins with `_`"
        return DefinitionError(path=name, problem="there is no such hook", line=line, hint=hint)
    plain = not (inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function))
    if not plain or len(inspect.signature(function).parameters) != 1:
        return DefinitionError(path=name, problem="has another signature", line=line, allowed=f"def {name}(claims)")
    return None
