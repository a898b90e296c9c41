"""Where compiled kernels are kept. Numba reads that when it is imported, so it is decided before any domain is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from overworld import __version__
from overworld.app.settings_sources import Source, all_sources

DATA = Path("data")


class _Nothing(Struct):
    pass


def kernel_cache(*, flags: Source, environment: Mapping[str, str], folder: Path) -> Path:
    """The folder for the compiled kernels of this version, inside the data folder that the settings will name.

    Nothing is checked here; settings that cannot be used are refused when they are loaded.
    """
    sources = all_sources(flags=flags, environment=environment, folder=folder, tree=_Nothing())
    given = [source.values["data"] for source in sources if "data" in source.values]
    return folder / Path(str(given[-1] if given else DATA)).expanduser() / "cache" / "numba" / __version__
