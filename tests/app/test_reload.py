"""SIGHUP puts in force what can change while players play, and says of the rest that it cannot."""

import json

import pytest
import structlog

from overworld.app.reload import AT_ONCE, Reload
from overworld.app.settings import load
from overworld.app.settings_sources import Source
from overworld.platform.http import LimitSettings


class Edge:
    """Takes limits."""

    def __init__(self) -> None:
        self.limits: LimitSettings | None = None

    def limit(self, settings: LimitSettings) -> None:
        self.limits = settings


class Rig:
    """A server's settings file, and what it logs."""

    def __init__(self, folder, capsys) -> None:
        self.folder = folder
        self.capsys = capsys
        self.edge = Edge()
        self.reload = Reload(self.read(), read=self.read, http=self.edge)  # type: ignore[arg-type]

    def read(self):
        return load(flags=Source(name="flags"), environment={}, folder=self.folder)

    def write(self, text: str) -> None:
        (self.folder / "overworld.toml").write_text(text)

    def said(self):
        return [json.loads(line) for line in self.capsys.readouterr().err.splitlines()]


@pytest.fixture
def rig(tmp_path, capsys):
    yield Rig(tmp_path, capsys)
    structlog.reset_defaults()


def test_limits_and_the_log_level_change_at_once(rig):
    rig.write("[log]\nlevel = 'error'\n[limits]\naccount_per_min = 7\n")
    rig.reload()
    assert rig.edge.limits == LimitSettings(account_per_min=7)
    structlog.get_logger("test").warning("nobody hears this")
    assert rig.said() == []


def test_what_is_put_back_is_in_force_again(rig):
    rig.write("[limits]\naccount_per_min = 7\n")
    rig.reload()
    rig.write("")
    rig.reload()
    assert rig.edge.limits == LimitSettings()


def test_what_cannot_change_is_named_and_stays(rig):
    rig.write("[limits]\nenabled = false\n[http]\nport = 7500\n")
    rig.reload()
    assert rig.edge.limits == LimitSettings()
    assert rig.said()[-1]["needs_a_restart"] == ["http.port", "limits.enabled"]


def test_settings_that_are_wrong_change_nothing_and_are_told(rig):
    rig.reload()
    rig.write("[limits]\naccount_per_min = 7\naddress_per_min = 0\n")
    rig.reload()
    assert rig.edge.limits == LimitSettings()
    assert "limits.address_per_min" in rig.said()[-1]["faults"][0]


def test_every_key_that_changes_at_once_is_a_setting(rig):
    assert set(rig.read().values) >= AT_ONCE
