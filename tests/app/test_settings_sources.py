"""The machinery of settings, on a small tree: who wins, what is refused, how it is told, what is masked."""

from __future__ import annotations

from math import inf
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from overworld.app.settings_sources import (
    DEFAULTS,
    BadSettings,
    Source,
    environment_name,
    environment_source,
    file_source,
    resolve,
)
from overworld.app.settings_tree import MASK, Leaf, allowed, decode, leaves, shown

PASSWORD = "correct horse battery staple"


class Bucket(Struct, frozen=True, forbid_unknown_fields=True):
    per_s: Annotated[float, Meta(gt=0, le=1000)] = 5.0
    burst: Annotated[int, Meta(ge=1)] = 10


class Web(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="Where it listens.")] = 7400
    origins: tuple[str, ...] = ()
    secret: Annotated[str, Meta(extra={"secret": True})] = ""
    bucket: Bucket = Bucket()


class Store(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    dsn: str | None = None
    fast: bool = True
    low: int = 1
    high: int = 9
    folder: Path = Path("data")
    weights: dict[str, int] = {}

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low is above high")


class Tree(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    mode: Literal["development", "production"] = "development"
    web: Web = Web()
    store: Store = Store()


def from_file(tmp_path: Path, text: str) -> Source:
    path = tmp_path / "overworld.toml"
    path.write_text(text)
    return file_source(path, name="overworld.toml", tree=Tree())


def from_environment(**variables: str) -> Source:
    return environment_source(variables)


def faults_of(*sources: Source) -> list[str]:
    with pytest.raises(BadSettings) as refused:
        resolve(Tree(), sources)
    return [str(fault) for fault in refused.value.faults]


def leaf(key: str) -> Leaf:
    return next(leaf for leaf in leaves(Tree()) if leaf.key == key)


def test_without_sources_the_defaults_hold():
    resolved = resolve(Tree(), [])
    assert resolved.tree == Tree()
    assert set(resolved.origins.values()) == {DEFAULTS}


def test_every_leaf_is_found_once_in_declared_order():
    assert [leaf.key for leaf in leaves(Tree())] == [
        "mode",
        *(f"web.{name}" for name in ("host", "port", "origins", "secret", "bucket.per_s", "bucket.burst")),
        *(f"store.{name}" for name in ("dsn", "fast", "low", "high", "folder", "weights")),
    ]


def test_later_sources_win_and_are_named_as_the_origin(tmp_path):
    file = from_file(tmp_path, "[web]\nport = 1\nhost = 'a'\n[web.bucket]\nburst = 3")
    environment = from_environment(OVERWORLD_WEB__PORT="2", PATH="/bin")
    resolved = resolve(Tree(), [file, environment, Source(name="flags", values={"mode": "production"})])
    assert resolved.tree == Tree(mode="production", web=Web(port=2, host="a", bucket=Bucket(burst=3)))
    named = {key: origin for key, origin in resolved.origins.items() if origin != DEFAULTS}
    assert named == {
        "mode": "flags",
        "web.port": "environment",
        "web.host": "overworld.toml",
        "web.bucket.burst": "overworld.toml",
    }


@pytest.mark.slow
@given(
    layers=st.lists(
        st.dictionaries(st.sampled_from(["web.port", "web.bucket.burst", "store.high"]), st.integers(1, 65535)),
        max_size=4,
    )
)
def test_the_value_in_force_is_that_of_the_last_source_that_has_one(layers):
    resolved = resolve(Tree(), [Source(name=str(i), values=values) for i, values in enumerate(layers)])
    for key in ("web.port", "web.bucket.burst", "store.high"):
        having = [i for i, values in enumerate(layers) if key in values]
        expected = layers[having[-1]][key] if having else leaf(key).default
        assert resolved.values[key] == expected
        assert resolved.origins[key] == (str(having[-1]) if having else DEFAULTS)
    assert resolved.tree.web.bucket.burst == resolved.values["web.bucket.burst"]


@pytest.mark.parametrize(
    ("name", "text", "key", "value"),
    [
        ("OVERWORLD_STORE__FAST", "false", "store.fast", False),
        ("OVERWORLD_STORE__FAST", "0", "store.fast", False),
        ("OVERWORLD_WEB__ORIGINS", "https://a.example, https://b.example", "web.origins", ("https://a.example", "https://b.example")),
        ("OVERWORLD_WEB__ORIGINS", '["a,b"]', "web.origins", ("a,b",)),
        ("OVERWORLD_WEB__BUCKET__PER_S", "0.5", "web.bucket.per_s", 0.5),
        ("OVERWORLD_STORE__FOLDER", "/srv/ow", "store.folder", Path("/srv/ow")),
        ("OVERWORLD_STORE__WEIGHTS", '{"a": 1}', "store.weights", {"a": 1}),
        ("OVERWORLD_STORE__DSN", "postgresql://h/d", "store.dsn", "postgresql://h/d"),
        ("OVERWORLD_WEB__PORT", "", "web.port", 7400),
    ],
)  # fmt: skip
def test_text_of_the_environment_is_read_as_the_type_of_the_setting(name, text, key, value):
    assert resolve(Tree(), [environment_source({name: text})]).values[key] == value


def test_the_name_of_a_variable_and_its_key_are_each_other(tmp_path):
    for leaf in leaves(Tree()):
        assert list(environment_source({environment_name(leaf.key): "x"}).values) == [leaf.key]


def test_all_faults_of_all_sources_are_told_at_once(tmp_path):
    file = from_file(tmp_path, "[web]\nport = 70000\nprot = 1\n[store]\nfast = 'yes'")
    environment = from_environment(OVERWORLD_WEB__BUCKET__PER_S="quick", OVERWORLD_MODE="prod")
    assert faults_of(file, environment) == [
        "overworld.toml: web.port: 70000 is not allowed; it takes a whole number from 0 to 65535",
        "overworld.toml: web.prot: there is no such setting; did you mean web.port?",
        'overworld.toml: store.fast: "yes" is not allowed; it takes true or false',
        'environment: OVERWORLD_MODE: "prod" is not allowed; it takes one of development, production',
        'environment: OVERWORLD_WEB__BUCKET__PER_S: "quick" is not allowed; it takes a number from above 0 to 1000',
    ]


def test_a_fault_that_a_stronger_source_would_hide_is_told_too():
    weak, strong = Source(name="weak", values={"web.port": -1}), Source(name="strong", values={"web.port": 1})
    assert faults_of(weak, strong) == ["weak: web.port: -1 is not allowed; it takes a whole number from 0 to 65535"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("port = 1", "port: there is no such setting; did you mean web.port?"),
        ("[wbe]\nport = 1", "wbe: there is no such setting; did you mean web?"),
        ("web = 1", "web: is a section, not a setting"),
        ("xyzzy = 1", "xyzzy: there is no such setting"),
        ("[web]\nport = true", "web.port: true is not allowed; it takes a whole number from 0 to 65535"),
        ("[web.bucket]\nper_s = inf", "web.bucket.per_s: inf is not allowed; it takes a number from above 0 to 1000"),
        ("[store]\nfolder = ''", 'store.folder: "" is not allowed; it takes a path'),
        ("[store]\nlow = 10", "store: low is above high"),
    ],
)
def test_a_fault_in_the_file_names_the_key_and_what_is_allowed(tmp_path, text, fault):
    assert faults_of(from_file(tmp_path, text)) == [f"overworld.toml: {fault}"]


def test_a_number_without_bounds_must_still_be_finite():
    free = Leaf(key="free", type=float, default=1.0)
    with pytest.raises(ValueError, match="finite"):
        decode(free, inf, from_text=False)
    with pytest.raises(ValueError, match="finite"):
        decode(free, "nan", from_text=True)


def test_a_file_that_cannot_be_read_is_one_fault_and_hides_no_other(tmp_path):
    missing = file_source(tmp_path / "none.toml", name="none.toml", tree=Tree())
    broken = from_file(tmp_path, "[web\nport = 1")
    told = faults_of(missing, broken, from_environment(OVERWORLD_NOPE="1"))
    assert told[0] == "none.toml: cannot be read: No such file or directory"
    assert told[1].startswith("overworld.toml: is not TOML: ")
    assert told[2] == "environment: OVERWORLD_NOPE: there is no such setting"


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a = 1\n" * 200_000, b"a = " + b"[" * 5_000])
def test_a_file_of_bytes_that_are_no_text_too_many_or_too_deep_is_refused(tmp_path, content):
    path = tmp_path / "overworld.toml"
    path.write_bytes(content)
    assert len(faults_of(file_source(path, name="overworld.toml", tree=Tree()))) == 1


def test_secrets_and_passwords_in_addresses_are_not_shown():
    assert shown(leaf("web.secret"), PASSWORD) == f'"{MASK}"'
    assert shown(leaf("web.secret"), "") == '""'
    dsn = shown(leaf("store.dsn"), f"postgresql://me:{PASSWORD.replace(' ', '')}@db.example/game")
    assert dsn == f'"postgresql://me:{MASK}@db.example/game"'


def test_a_refused_secret_is_not_repeated_in_the_message():
    assert PASSWORD not in str(faults_of(Source(name="flags", values={"web.secret": [PASSWORD]})))


@pytest.mark.slow
@given(st.text(max_size=30), st.sampled_from([leaf.key for leaf in leaves(Tree())]))
def test_any_text_is_either_taken_or_told_as_a_fault(text, key):
    source = environment_source({environment_name(key): text})
    try:
        resolved = resolve(Tree(), [source])
    except BadSettings as refused:
        assert all(fault.source == "environment" for fault in refused.faults)
    else:
        known = leaf(key)
        value = resolved.values[key]
        assert decode(known, str(value) if isinstance(value, Path) else value, from_text=False) == value


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Annotated[int, Meta(ge=1)], "a whole number of at least 1"),
        (Annotated[float, Meta(lt=1)] | None, "a number below 1"),
        (Annotated[str, Meta(max_length=3)], "text of at most 3 characters"),
        (list[bool], "a list, each item true or false"),
        (dict[str, int], "a table of text to a whole number"),
    ],
)
def test_what_a_setting_takes_is_told_in_words(wanted, words):
    assert allowed(Leaf(key="x", type=wanted, default=None)) == words
