"""Pages of libraries' code that only a start used, the compiler of the kernels above all."""

from __future__ import annotations

import ctypes
import mmap
import re
import sys
from pathlib import Path

_MAPS = Path("/proc/self/smaps")
_LEAST_BYTES = 1 << 20
_PRIVATE_CODE = re.compile(
    r"^(?P<begin>[0-9a-f]+)-(?P<end>[0-9a-f]+) r-xp \S+ \S+ \S+ +/.*\n(?:[A-Z].*\n)*?Anonymous: +(?P<own_kb>\d+) kB$",
    re.MULTILINE,
)


def give_back_code() -> int:
    """Takes the code of large libraries out of this process's memory, and gives the bytes of those mappings.

    Where it is called again, a page comes back from the system's cache of the file, with its neighbours, in less than
    a microsecond. Only what can be run is given: no such mapping goes away while the process lives, so none can have
    made room for data meanwhile. One that was written to, as by a debugger, has nothing to come back from and stays.
    So does everything where the system does not tell of mappings, as none but Linux does.
    """
    if sys.platform != "linux":
        return 0
    try:
        maps = _MAPS.read_text()
    except OSError:  # some sandboxes keep it to themselves
        return 0
    advise = ctypes.CDLL(None, use_errno=True).madvise
    advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    given = 0
    for found in _PRIVATE_CODE.finditer(maps):
        begin, end = int(found["begin"], 16), int(found["end"], 16)
        if (
            end - begin >= _LEAST_BYTES
            and found["own_kb"] == "0"
            and advise(begin, end - begin, mmap.MADV_DONTNEED) == 0
        ):
            given += end - begin
    return given
