"""`overworld game`: game definitions."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import App

from overworld.app.commands.target import server_and_key
from overworld.app.kernel_cache import keep_kernels

if TYPE_CHECKING:
    from overworld.app.game import Game

app = App(name="game", help="Begin a game, check what it says, test it, and change it while players play.")


@app.command
def new(name: str, *, directory: Path | None = None) -> None:
    """Begin a game: a folder with a small one that runs, and its tests.

    docs/make-a-game.md goes on from here.

    For example:
      overworld game new rock-pool                          in ./rock-pool
      overworld game new rock-pool --directory games/pool   elsewhere

    Exit codes: 0 it is there, 1 it cannot be: the name is none or a shipped game's, or something is there already.

    Parameters
    ----------
    name
        Its name: small letters, digits, `-` and `_`, beginning with a letter, at most 32.
    directory
        The folder to make; otherwise one of that name, here.
    """
    import msgspec

    from overworld.app.game import SHIPPED, Slug
    from overworld.app.new_game import write

    try:
        msgspec.convert(name, Slug)
    except msgspec.ValidationError:
        raise SystemExit(
            f"overworld: {name!r} is no name for a game: it takes small letters, digits, - and _, at most 32, "
            "beginning with a letter"
        ) from None
    if (SHIPPED / name).exists():
        raise SystemExit(f"overworld: {name} is a game that is shipped, which commands would take; choose another name")
    folder = directory if directory is not None else Path(name)
    try:
        written = write(folder, name=name)
    except FileExistsError:
        raise SystemExit(f"overworld: {folder} is there already; nothing was written") from None
    except OSError as error:
        raise SystemExit(f"overworld: cannot write {folder}: {error.strerror}") from None
    sys.stdout.writelines(f"{file}\n" for file in written)


@app.command
def check(game: str = "ore") -> None:
    """Check a game.toml, and the rules.py beside it, and print everything that is wrong with them.

    Each error has its line, its key, the reason and what would be allowed. Nothing is started or changed; rules.py is
    run, and its hooks are called with a few claims.

    For example:
      overworld game check             the game that is shipped
      overworld game check ./my-game   a folder with a game.toml

    Exit codes: 0 the definition is fine, 1 it is not.

    Parameters
    ----------
    game
        A name in games/, or a path.
    """
    checked = _checked(game)
    hooks = f", hooks {', '.join(sorted(checked.hooks.functions))}" if checked.hooks.functions else ""
    sys.stdout.write(f"{checked.file}: fine; {checked.title}, version {checked.digest[:12]}{hooks}\n")


@app.command
def diff(old: str, new: str) -> None:
    """Show what is different between two definitions, and when each change could be in force.

    Most are in force at once, what spawns changes with the next window, and some need a restart. A currency, an item or
    a tool that is taken away is refused as long as anybody holds or will be paid some; only the server knows.
    Keys are compared with their defaults written out.

    For example:
      overworld game diff ore ./my-ore

    Exit codes: 0 done, 1 one of them is wrong.

    Parameters
    ----------
    old
        What is in force: a name in games/, or a path.
    new
        What should be.
    """
    before, after = _checked(old), _checked(new)

    from overworld.app.reload_command import lines
    from overworld.app.versions.changes import changes, removed

    found = changes(before, after)
    sys.stdout.writelines(f"{line}\n" for line in lines(found))
    for missed in removed(before.written, after.written).keys:
        sys.stdout.write(f"! {missed}: refused as long as anybody holds or will be paid some\n")
    count = f"{len(found)} change{'s' * (len(found) != 1)}" if found else "no change"
    sys.stdout.write(f"{before.digest[:12]} -> {after.digest[:12]}: {count}\n")


@app.command
def reload(
    *,
    server: str | None = None,
    key: str | None = None,
    data: Path = Path("data"),
) -> None:
    """Put a running server's game.toml and rules.py in force as they are now, while players play.

    All of it or, where something is wrong, needs a restart or is still held by players, nothing. The other servers on
    the same database follow by themselves. SIGHUP does the same, and says in the log what came of it.

    For example:
      overworld game reload
      overworld game reload --data /srv/ow

    Exit codes: 0 it is in force, or was; 1 it was refused, and why.

    Parameters
    ----------
    server
        Address of the server's HTTP port; otherwise that of the server that uses the data folder.
    key
        Developer key; otherwise that of the data folder.
    data
        The server's data folder.
    """
    server, key = server_and_key(server=server, key=key, data=data)

    from overworld.app import reload_command

    try:
        reloaded = reload_command.reload(server, key=key)
    except reload_command.Refused as refused:
        raise SystemExit(f"overworld: {refused}") from refused
    sys.stdout.writelines(f"{line}\n" for line in reload_command.lines(reloaded.changes))
    about = f"{reloaded.game} {reloaded.number}, version {reloaded.version[:12]}"
    if reloaded.changes:
        sys.stdout.write(f"{about} is in force; what spawns follows at {reloaded.spawns_from}\n")
    else:
        sys.stdout.write(f"{about} was in force already\n")


def _checked(game: str) -> Game:
    from overworld.app.game import GameErrors, check, found

    try:
        return check(found(game))
    except GameErrors as wrong:
        raise SystemExit(str(wrong)) from wrong


@app.command
def test(game: str = "ore") -> int:
    """Run a game's own tests: what should happen in a situation, decided by the rules of the server.

    The tests are the files tests/*.toml beside its game.toml. They need no server and no database. A scenario is a
    few lines:

      [collect."a gold coin in reach is taken"]
      given.collectible.type = "gold"
      given.player.away_m = 30
      then.amount = "20"

    docs/game-tests.md says what can be given and expected.

    For example:
      overworld game test             the game that is shipped
      overworld game test ./my-game   a folder with a game.toml and tests/

    Exit codes: 0 everything is as expected, 1 a scenario is not or the game.toml is wrong, 2 a test file is wrong or
    there is none.

    Parameters
    ----------
    game
        A name in games/, or a path.
    """
    checked = _checked(game)
    keep_kernels(Path("data"))

    from overworld.app.progress import spinning

    with spinning("Compiling the rules"):
        from overworld.app.scenarios.run import WRONG, code_of, lines_of, run, summary
        from overworld.app.scenarios.written import FOLDER, files

        tests = files(checked)
        outcomes = list(run(tests, game=checked))
    if not tests:
        sys.stderr.write(f"overworld: {checked.name} has no tests: no *.toml in {checked.file.parent / FOLDER}\n")
        return WRONG
    for outcome in outcomes:
        sys.stdout.writelines(f"{line}\n" for line in lines_of(outcome))
    sys.stdout.write(f"{checked.title}: {summary(outcomes)}\n")
    return code_of(outcomes)
