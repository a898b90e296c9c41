"""What an application does without."""

from __future__ import annotations

import subprocess
import sys

import pytest

BUILT = """
import sys
from litestar import get
from msgspec import Struct
from overworld.platform.http.build import _litestar

class Told(Struct):
    text: str

@get("/told")
async def told() -> Told:
    return Told("yes")

_litestar([told], openapi_config=None)
print("msgspec" in sys.modules, "pydantic" in sys.modules)
"""


@pytest.mark.slow
def test_libraries_of_models_that_no_route_uses_are_not_imported():
    import pydantic

    assert pydantic.VERSION, "it is installed, so it could be imported"
    done = subprocess.run([sys.executable, "-c", BUILT], capture_output=True, text=True, timeout=60, check=True)  # noqa: S603 - our own words
    assert done.stdout.split() == ["True", "False"]
