"""Compiled kernels lie where `script/setup` says too, or in the data folder of an installed package."""

import os
from pathlib import Path

import pytest

from overworld.app import kernel_cache as module
from overworld.app.kernel_cache import keep_kernels, kernel_cache

CHECKOUT = Path(__file__).parents[2]


def installed(folder: Path, monkeypatch) -> Path:
    package = folder / "site" / "overworld"
    package.mkdir(parents=True)
    (package / "cells.py").write_text("\n@kernel\ndef cell(): ...\n")
    monkeypatch.setattr(module, "_PACKAGE", package)
    return package


def test_a_checkout_keeps_them_for_all_its_data_folders(tmp_path):
    assert kernel_cache(tmp_path).parent == CHECKOUT / ".cache" / "numba"
    assert kernel_cache(tmp_path) == kernel_cache(tmp_path / "other")


def test_a_folder_that_is_named_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", "named")
    keep_kernels(tmp_path)
    assert os.environ["NUMBA_CACHE_DIR"] == "named"
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    keep_kernels(tmp_path)
    assert os.environ["NUMBA_CACHE_DIR"] == str(kernel_cache(tmp_path))


def test_an_installed_package_keeps_them_in_the_data_folder(tmp_path, monkeypatch):
    installed(tmp_path, monkeypatch)
    assert kernel_cache(tmp_path / "data").parent == tmp_path / "data" / "cache" / "numba"


def test_any_change_of_a_kernel_is_another_folder_and_no_other_change_is(tmp_path, monkeypatch):
    """Numba would go on running a kernel whose callee, in another file, has changed."""
    package = installed(tmp_path, monkeypatch)
    first = kernel_cache(tmp_path)
    (package / "service.py").write_text("def serve(): ...\n")
    assert kernel_cache(tmp_path) == first
    (package / "cells.py").write_text("\n@kernel\ndef cell(): pass\n")
    assert kernel_cache(tmp_path) != first


@pytest.mark.parametrize(
    "line",
    [
        "from overworld.units import METRE",
        "from overworld import units",
        "from overworld import (\n    other,\n    units as u,\n)",
        "from overworld.through import METRE",
    ],
)
def test_a_change_of_what_a_kernel_imports_is_another_folder_too(tmp_path, monkeypatch, line):
    """Constants are compiled into the kernels that use them."""
    package = installed(tmp_path, monkeypatch)
    (package / "units.py").write_text("METRE = 1\n")
    (package / "through.py").write_text("from overworld.units import METRE\n")
    (package / "cells.py").write_text(f"{line}\n\n@kernel\ndef cell(): ...\n")
    first = kernel_cache(tmp_path)
    (package / "units.py").write_text("METRE = 2\n")
    assert kernel_cache(tmp_path) != first
