"""The table of roles in docs/concepts/staff.md says what the code says, scope by scope."""

from __future__ import annotations

import re

from overworld.domains.accounts.apikeys.rules import _NEVER
from overworld.domains.accounts.rules import scopes_of
from overworld.domains.accounts.types import Role
from overworld.kernel.identity import Scope
from tests.docs.pages import every_page

ROW = re.compile(r"^\| ([a-z., ]+) \| [^|]+ \| ([a-z, ]+) \|$", re.MULTILINE)


def page() -> str:
    [found] = [page.text for page in every_page() if page.file == "docs/concepts/staff.md"]
    return found


def test_the_table_has_every_scope_with_the_roles_that_have_it():
    _head, *rows = ROW.findall(page())
    written = {scope: set(roles.split(", ")) - {"none"} for names, roles in rows for scope in names.split(", ")}
    scopes = {value for name, value in vars(Scope).items() if name.isupper()}
    assert written == {scope: {str(role) for role in Role if scope in scopes_of(role)} for scope in scopes}


def test_it_names_the_scopes_that_no_key_has():
    [told] = re.findall(r"Some stay with people:([^.]+\.[^;]+?)\. A key", page().replace("\n", " "))
    assert set(re.findall(r"`([a-z.]+)`", told)) == _NEVER
