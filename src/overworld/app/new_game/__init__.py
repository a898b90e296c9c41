"""A small game to begin with: the files beside this one, with a name of its own."""

from __future__ import annotations

from pathlib import Path

_TEMPLATES = Path(__file__).parent
_FILES = {"game.toml": "game.toml", "hooks.txt": "rules.py", "tests/collecting.toml": "tests/collecting.toml"}
_NAME, _TITLE = "my-game", "My Game"


def write(folder: Path, *, name: str) -> list[Path]:
    """Writes the files of a new game into a folder that is made; gives them.

    Raises: FileExistsError when there is something of that name; OSError.
    """
    folder.mkdir(parents=True)
    written: list[Path] = []
    for template, target in _FILES.items():
        text = (_TEMPLATES / template).read_text(encoding="utf-8")
        file = folder / target
        file.parent.mkdir(exist_ok=True)
        file.write_text(text.replace(_TITLE, title_of(name)).replace(_NAME, name), encoding="utf-8")
        written.append(file)
    return written


def title_of(name: str) -> str:
    """What people call a game, from its name: `rock-pool` is Rock Pool."""
    return " ".join(word.capitalize() for word in name.replace("_", "-").split("-") if word) or name
