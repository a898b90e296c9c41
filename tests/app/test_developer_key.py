"""The developer key is made once, kept private, and honoured exactly."""

import stat
from pathlib import Path

import pytest

from overworld.app.developer_key import FILE_NAME, BadDeveloperKey, DeveloperKey, NoKeys, read


def test_the_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path):
    DeveloperKey.ensure(tmp_path)
    first = read(tmp_path)
    DeveloperKey.ensure(tmp_path)
    assert read(tmp_path) == first
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600


def test_only_the_key_itself_adds_scopes(tmp_path: Path):
    """A prefix, an empty string, or text beyond ASCII is just a wrong key."""
    keys = DeveloperKey.ensure(tmp_path)
    staff = {
        "analytics.read",
        "audit.read",
        "events.read",
        "events.replay",
        "fences.read",
        "fences.write",
        "flags.evaluate",
        "flags.read",
        "flags.write",
        "game.place",
        "game.reload",
        "keys.manage",
        "location.audit",
        "trust.decide",
        "trust.read",
        "users.manage",
        "users.read",
        "users.suspend",
        "webhook.manage",
        "world.read",
    }
    assert keys.scopes(read(tmp_path)) == staff | {"world.replay"}
    for wrong in ("", read(tmp_path)[:-1], read(tmp_path) + "x", "owdev_ключ"):
        assert keys.scopes(wrong) == frozenset()


@pytest.mark.parametrize("content", [b"", b"\n", b"owdev_\n", b"secret" * 8, b"owdev_" + b"\xb8" * 40])
def test_a_file_without_a_key_is_refused_instead_of_honoured(tmp_path: Path, content: bytes):
    """A disk that was full when the key was made leaves an empty file; then an empty header would be the key."""
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(BadDeveloperKey, match=FILE_NAME):
        DeveloperKey.ensure(tmp_path)
    with pytest.raises(BadDeveloperKey):
        read(tmp_path)


def test_a_production_server_honours_no_key(tmp_path: Path):
    DeveloperKey.ensure(tmp_path)
    assert NoKeys().scopes(read(tmp_path)) == frozenset()


def test_the_key_does_not_show_in_a_log(tmp_path: Path):
    keys = DeveloperKey.ensure(tmp_path)
    assert read(tmp_path) not in repr(keys)


def test_nothing_but_the_key_is_left_in_the_folder(tmp_path: Path):
    DeveloperKey.ensure(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [FILE_NAME]
