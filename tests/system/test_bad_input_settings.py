"""Settings and games that are wrong are told with everything that is wrong with them, located, without a secret."""

from __future__ import annotations

import re

import pytest

from overworld.app.game import SHIPPED
from tests.system.commands import REFUSED, SECRET, WRONG, lines

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("bad input: settings"),
]


ENVIRONMENT = {
    "OVERWORLD_HTTP__PORT": ("70000", r'"70000" is not allowed; it takes a whole number from 0 to 65535'),
    "OVERWORLD_REALTIME__PORT": ("abc", '"abc" is not allowed'),
    "OVERWORLD_LIMITS__ENABLED": ("maybe", '"maybe" is not allowed; it takes true or false'),
    "OVERWORLD_HTP__PORT": ("1", "did you mean OVERWORLD_HTTP__PORT"),
    "OVERWORLD_MODE": ("prod", "development, production"),
    "OVERWORLD_WORLD__SIGHT_M": ("nan", "is not allowed"),
    "OVERWORLD_WORLD__DISTANCE_STEP_M": ("inf", "is not allowed"),
    "OVERWORLD_GAMEPLAY__SPAWN_KEY": (SECRET * 40, r'"\*+" is not allowed; it takes text of at most 256'),
}


async def test_everything_that_is_wrong_with_the_environment_is_located_and_exits_2(run):
    ran = await run("config", "show", **{name: value for name, (value, _) in ENVIRONMENT.items()})
    assert (ran.code, ran.out, len(lines(ran))) == (WRONG, "", len(ENVIRONMENT))
    for name, (_, told) in ENVIRONMENT.items():
        assert re.search(rf"^overworld: environment: {name}: .*{told}", ran.err, re.MULTILINE), (name, ran.err)


async def test_settings_that_do_not_go_together_are_located(run):
    ran = await run("config", "show", OVERWORLD_HTTP__TRUSTED_PROXIES="me", OVERWORLD_LOG__LEVEL="info")
    assert (ran.code, lines(ran)) == (
        WRONG,
        ["overworld: environment: http: trusted_proxies: 'me' does not appear to be an IPv4 or IPv6 network"],
    )


FILE = f"""
log = 3
[http]
port = "abc"
prot = 1
[accounts]
signing_key_secret = ["{SECRET}"]
"""
IN_THE_FILE = ("http.port: ", "http.prot: .*did you mean http.port", "log: is a section", r"signing_key_secret: \S*\*+")


async def test_everything_that_is_wrong_with_the_settings_file_is_located_and_exits_2(run, tmp_path):
    (tmp_path / "overworld.toml").write_text(FILE)
    ran = await run("serve", "--realtime-port", "99999")
    assert (ran.code, ran.out, len(lines(ran))) == (WRONG, "", len(IN_THE_FILE) + 1)
    for told in IN_THE_FILE:
        assert re.search(f"^overworld: overworld.toml: .*{told}", ran.err, re.MULTILINE), (told, ran.err)


@pytest.mark.parametrize("content", [b"[http\n", b"\xff\xfe", b"#" * 1_000_001, b'config = "other.toml"\n'])
async def test_a_settings_file_that_cannot_be_used_is_told_and_exits_2(run, tmp_path, content):
    (tmp_path / "overworld.toml").write_bytes(content)
    ran = await run("config", "show")
    assert (ran.code, ran.out, len(lines(ran))) == (WRONG, "", 1)
    assert lines(ran)[0].startswith("overworld: overworld.toml: ")


async def test_the_settings_are_shown_without_their_secrets(run):
    ran = await run(
        *("config", "show"),
        OVERWORLD_ACCOUNTS__SIGNING_KEY_SECRET=SECRET,
        OVERWORLD_GAMEPLAY__SPAWN_KEY=SECRET,
        OVERWORLD_DATABASE__DSN=f"postgresql://ann:{SECRET}@db.example.org/game",
    )
    assert ran.code == 0
    assert re.search(r'dsn = "postgresql://ann:\*+@db.example.org/game"', ran.out)


@pytest.mark.parametrize(
    "arguments", [("fly",), ("serve", "--nope"), ("serve", "--http-port", "x"), ("serve", "extra")]
)
async def test_a_wrong_command_exits_2(run, arguments):
    assert (await run(*arguments)).code == WRONG


async def test_everything_that_is_wrong_with_a_game_is_located(run, tmp_path):
    text = (SHIPPED / "ore" / "game.toml").read_text()
    text = re.sub(r"(?m)^reach_m = .*", "reach_m = inf", text)
    text = re.sub(r"(?m)^weight = .*", "weight = -1", text, count=1)
    text = re.sub(r"(?m)^window_s = .*", 'window_s = "long"', text)
    (tmp_path / "game.toml").write_text(text + "[volcanoes]\n")
    ran = await run("game", "check", tmp_path)
    assert ran.code == REFUSED
    for told in (
        "collectibles.reach_m",
        "collectibles.window_s",
        r"collectibles.types.\w+.weight",
        "volcanoes: unknown",
    ):
        assert re.search(rf"line \d+: {told}", ran.err), (told, ran.err)


@pytest.mark.parametrize("content", ["", "[game", 'game = "ore"'])
async def test_a_game_that_is_none_is_told(run, tmp_path, content):
    (tmp_path / "game.toml").write_text(content)
    ran = await run("game", "check", tmp_path)
    assert (ran.code, ran.err.startswith(f"{tmp_path}/game.toml: ")) == (REFUSED, True)
