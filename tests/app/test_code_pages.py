"""A server keeps no memory for code that only its start used."""

from __future__ import annotations

import subprocess
import sys

import pytest

from overworld.app import code_pages

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems keep their pages")

# A process of its own, as what a mapping holds depends on everything that ran before.
TRIAL = """
import ctypes, re
from pathlib import Path
import llvmlite.binding
from overworld.app.code_pages import give_back_code

def code_kb():
    maps = re.findall(r"r-xp .*libllvmlite.*\\n(?:[A-Z].*\\n)*?Rss: +(\\d+) kB", Path("/proc/self/smaps").read_text())
    return sum(map(int, maps))

def compiled():
    module = llvmlite.binding.parse_assembly("define i64 @seven() {{ ret i64 7 }}")
    machine = llvmlite.binding.Target.from_default_triple().create_target_machine()
    engine = llvmlite.binding.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    return ctypes.CFUNCTYPE(ctypes.c_int64)(engine.get_function_address("seven"))()

llvmlite.binding.initialize_native_target()
llvmlite.binding.initialize_native_asmprinter()
assert compiled() == 7
{written}
before = code_kb()
given = give_back_code()
print(before, code_kb(), given, compiled())
"""
WRITTEN = """
begin = int(re.search(r"^(\\w+)-\\w+ r-xp .*libllvmlite", Path("/proc/self/maps").read_text(), re.MULTILINE)[1], 16)
with open("/proc/self/mem", "r+b", buffering=0) as memory:  # as a debugger writes
    memory.seek(begin)
    byte = memory.read(1)
    memory.seek(begin)
    memory.write(byte)
"""


def tried(written: str) -> tuple[int, int, int, int]:
    program = TRIAL.format(written=written)
    ran = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)  # noqa: S603
    before, after, given, answer = map(int, ran.stdout.split())
    return before, after, given, answer


def test_code_that_was_run_is_given_back_and_runs_again_when_it_is_called():
    before, after, given, answer = tried("")
    assert before > 1_000
    assert after < before / 4
    assert given > before * 1024
    assert answer == 7


def test_a_mapping_that_was_written_to_is_left_alone():
    before, after, _, answer = tried(WRITTEN)
    assert after >= before
    assert answer == 7


def test_a_system_that_tells_of_no_mappings_is_left_alone(monkeypatch, tmp_path):
    monkeypatch.setattr(code_pages, "_MAPS", tmp_path / "smaps")
    assert code_pages.give_back_code() == 0
