"""The server's own tree of settings: which source wins, which file is read, and what refuses to start."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import pytest
from msgspec import Meta, Struct

from overworld.app.settings import Settings, built_in_secrets, load
from overworld.app.settings_sources import BadSettings, Source, data_folder, environment_name, resolve
from overworld.app.settings_tree import decode, leaves

LEAVES = list(leaves(Settings()))
SOUNDS_SECRET = re.compile(r"(secret|password|private_key|_key|token)$")


class Door(Struct, frozen=True):
    host: str = "127.0.0.1"
    secret: Annotated[str, Meta(extra={"secret": True})] = "changeme"


class Guarded(Struct, frozen=True):
    mode: Literal["development", "production"] = "development"
    door: Door = Door()


def flags(**values: object) -> Source:
    return Source(name="flags", values={key.replace("__", "."): value for key, value in values.items()})


def faults_of(folder: Path, environment: dict[str, str] | None = None, **values: object) -> list[str]:
    with pytest.raises(BadSettings) as refused:
        load(flags=flags(**values), environment=environment or {}, folder=folder)
    return [str(fault) for fault in refused.value.faults]


def test_a_bare_machine_gets_the_defaults(tmp_path):
    settings = load(environment={}, folder=tmp_path).tree
    assert settings == Settings()
    assert (settings.http.port, settings.realtime.port, settings.operations.port) == (7400, 7401, 7403)
    assert {settings.http.host, settings.realtime.host, settings.operations.host} == {"127.0.0.1"}


def test_flags_beat_the_environment_beats_the_file_beats_the_defaults(tmp_path):
    (tmp_path / "overworld.toml").write_text(
        'game = "file"\ndata = "file"\n[http]\nport = 1\n[database]\nconnections_max = 3'
    )
    environment = {"OVERWORLD_GAME": "environment", "OVERWORLD_HTTP__PORT": "2"}
    resolved = load(flags=flags(http__port=3), environment=environment, folder=tmp_path)
    assert (resolved.tree.http.port, resolved.tree.game, resolved.tree.data) == (3, "environment", Path("file"))
    assert resolved.origins["http.port"] == "flags"
    assert resolved.origins["game"] == "environment"
    assert resolved.origins["database.connections_max"] == "overworld.toml"
    assert resolved.origins["realtime.port"] == "default"


@pytest.mark.parametrize("chosen_by", ["flags", "environment"])
def test_a_chosen_file_is_read_instead_of_the_one_in_the_folder(tmp_path, chosen_by):
    (tmp_path / "overworld.toml").write_text('game = "wrong"')
    (tmp_path / "other.toml").write_text('game = "right"')
    given = flags(config=Path("other.toml")) if chosen_by == "flags" else flags()
    environment = {"OVERWORLD_CONFIG": "other.toml"} if chosen_by == "environment" else {}
    resolved = load(flags=given, environment=environment, folder=tmp_path)
    assert (resolved.tree.game, resolved.origins["game"]) == ("right", "other.toml")
    assert resolved.tree.config == Path("other.toml")


def test_a_chosen_file_that_is_missing_is_a_fault(tmp_path):
    assert faults_of(tmp_path, config="gone.toml") == ["gone.toml: cannot be read: No such file or directory"]


def test_a_file_cannot_choose_the_file(tmp_path):
    (tmp_path / "overworld.toml").write_text('config = "other.toml"')
    assert faults_of(tmp_path) == [
        "overworld.toml: config: a file cannot choose itself; use --config or OVERWORLD_CONFIG"
    ]


def test_a_redis_that_cannot_be_one_is_a_fault_that_shows_no_password(tmp_path):
    [fault] = faults_of(tmp_path, {"OVERWORLD_REDIS__URL": "http://:opensesame@host"})
    assert "has to begin with redis://" in fault
    assert "opensesame" not in fault


def test_two_doors_cannot_share_a_port_but_may_both_take_any_free_one(tmp_path):
    assert faults_of(tmp_path, http__port=7401) == [
        "flags: http.port, realtime.port and operations.port must differ; 0 takes any free port"
    ]
    free = load(flags=flags(http__port=0, realtime__port=0), environment={}, folder=tmp_path).tree
    assert (free.http.port, free.realtime.port) == (0, 0)


@pytest.mark.parametrize("kept", ["TELEMETRY__RETENTION_DAYS", "TELEMETRY__REFUSED_DAYS", "EVENTS__RETENTION_DAYS"])
def test_who_was_erased_is_kept_out_longer_than_anything_can_bring_them_back(tmp_path, kept):
    environment = {f"OVERWORLD_{kept}": "90"}
    with pytest.raises(BadSettings, match="or who was erased could come back"):
        load(environment=environment, folder=tmp_path)
    load(environment=environment | {"OVERWORLD_TELEMETRY__ERASED_DAYS": "91"}, folder=tmp_path)


def test_simulated_walkers_and_production_do_not_go_together(tmp_path):
    assert faults_of(tmp_path, {"OVERWORLD_MODE": "production"}, demo__enabled=True) == [
        'flags: demo.enabled: walks simulated players through the game, which mode = "production" does not allow'
    ]
    assert load(flags=flags(demo__enabled=True), environment={}, folder=tmp_path).tree.demo.enabled
    assert not load(flags=flags(mode="production"), environment={}, folder=tmp_path).tree.demo.enabled


@pytest.mark.parametrize("setting", LEAVES, ids=lambda leaf: leaf.key)
def test_every_setting_is_described_and_its_default_is_within_its_own_bounds(setting):
    assert setting.description
    default = list(setting.default) if isinstance(setting.default, tuple) else setting.default
    assert decode(setting, default, from_text=False) == setting.default


def test_whatever_sounds_like_a_secret_is_marked_as_one():
    sounding = {leaf.key for leaf in LEAVES if SOUNDS_SECRET.search(leaf.key) and not leaf.secret}
    assert sounding == {"kafka.tls_key", "realtime.tls_key"}, "where a key lies is none; anything else is"


def test_no_two_settings_share_an_environment_variable():
    names = [environment_name(leaf.key) for leaf in LEAVES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("values", "refused"),
    [
        ({}, False),
        ({"door.host": "localhost"}, False),
        ({"door.host": "::1"}, False),
        ({"door.host": "10.1.2.3"}, True),
        ({"door.host": "planet.example"}, True),
        ({"mode": "production"}, True),
        ({"mode": "production", "door.secret": "changeme"}, True),
        ({"mode": "production", "door.secret": "of my own"}, False),
        ({"mode": "production", "door.secret": ""}, False),
    ],
)  # fmt: skip
def test_a_built_in_secret_is_refused_where_others_can_reach_the_server(values, refused):
    faults = list(built_in_secrets(resolve(Guarded(), [Source(name="flags", values=values)])))
    assert [fault.key for fault in faults] == ["door.secret"] * refused
    assert all("changeme" not in str(fault) for fault in faults)


@pytest.mark.parametrize(
    ("given", "environment", "file", "data"),
    [
        ({}, {}, "", "data"),
        ({}, {}, 'data = "f"', "f"),
        ({}, {"OVERWORLD_DATA": "e"}, 'data = "f"', "e"),
        ({"data": "g"}, {"OVERWORLD_DATA": "e"}, 'data = "f"', "g"),
        ({"data": "/srv/g"}, {}, "", "/srv/g"),
    ],
)
def test_the_data_folder_is_known_before_the_settings_are_loaded(tmp_path, given, environment, file, data):
    """Compiled kernels may lie in it, and have to be found before numba is imported."""
    (tmp_path / "overworld.toml").write_text(file)
    sources = {"flags": flags(**given), "environment": environment, "folder": tmp_path}
    assert data_folder(**sources) == tmp_path / data
    assert load(**sources).tree.data == Path(data)


def test_a_proxy_network_that_is_none_is_a_fault_and_not_a_crash(tmp_path: Path):
    with pytest.raises(BadSettings, match="environment: http: trusted_proxies: 'nonsense' does not appear"):
        load(environment={"OVERWORLD_HTTP__TRUSTED_PROXIES": "nonsense"}, folder=tmp_path)
