"""What a migration may do in which phase, so that the build before and the build after can run side by side.

**expand** adds, and the old build does not notice. **migrate** fills and moves data. **contract** takes away what no
running build uses any more; only a file that says `-- phase: contract` may do that.
"""

from __future__ import annotations

import re

PHASES = ("expand", "migrate", "contract")

_COMMENT = r"--[^\n]*|/\*.*?\*/"
_TEXT = r"(?P<dollar>\$[A-Za-z_]*\$).*?(?P=dollar)|'(?:[^']|'')*'"
_NOISE = re.compile(f"(?P<comment>{_COMMENT})|{_TEXT}", re.DOTALL)
_BREAKING = {
    r"^DROP\b": "takes something away",
    r"^TRUNCATE\b": "empties a table",
    r"^ALTER\b.*\bRENAME\b": "renames what the running build uses",
    r"^ALTER TABLE\b.*\bDROP (?!DEFAULT\b|NOT NULL\b|EXPRESSION\b)": "takes something away",
    r"^ALTER TABLE\b.*\bALTER (?:COLUMN )?\S+ (?:SET DATA )?TYPE\b": "changes a column's type",
    r"^ALTER TABLE\b.*\bSET NOT NULL\b": "refuses rows that the running build writes",
    r"^ALTER TABLE\b.*\bSET SCHEMA\b": "moves a table",
}
_ADDED_COLUMN = re.compile(
    r"\bADD (?:COLUMN )?(?:IF NOT EXISTS )?(?!CONSTRAINT\b|PRIMARY\b|UNIQUE\b|CHECK\b|FOREIGN\b)"
)
_REFERENCES = re.compile(r"\bREFERENCES \"?([A-Za-z_][A-Za-z0-9_]*)\"?(\.)?")
_CREATED = re.compile(
    r"^CREATE (?:OR REPLACE )?(?:UNLOGGED )?(?:TABLE|VIEW|MATERIALIZED VIEW|FUNCTION|PROCEDURE|SEQUENCE|TYPE|DOMAIN) "
    r"(?:IF NOT EXISTS )?([^\s(]+)",
    re.IGNORECASE,
)
_TRANSACTION = re.compile(r"^(?:BEGIN|COMMIT|ROLLBACK|START TRANSACTION|END)\b", re.IGNORECASE)
_SEARCH_PATH = re.compile(r"^SET (?:LOCAL |SESSION )?search_path\b", re.IGNORECASE)


def problems_of(sql: str, *, schema: str, phase: str) -> list[str]:
    """Why a migration of `schema` may not be applied, one line each; empty when it may."""
    statements = [" ".join(part.split()) for part in _NOISE.sub(_blank, sql).split(";")]
    problems = []
    for statement in filter(None, statements):
        short = statement[:60]
        if _TRANSACTION.match(statement):
            problems.append(f"`{short}`: the runner opens and ends the transaction")
        if _SEARCH_PATH.search(statement):
            problems.append(f"`{short}`: write schema names out instead of relying on search_path")
        if (created := _CREATED.match(statement)) and created.group(1).replace('"', "").partition(".")[0] != schema:
            problems.append(f"`{short}` makes something outside schema {schema}: write `{schema}.` before its name")
        problems += [
            f"`{short}` refers to another schema's table, which nobody could then move"
            for target, dot in _REFERENCES.findall(statement)
            if dot and target.lower() != schema
        ]
        if phase != "contract":
            problems += [f"`{short}` {why}: say `-- phase: contract`" for why in _breaking(statement)]
    return problems


def _blank(noise: re.Match[str]) -> str:
    return " " if noise["comment"] else "''"


def _breaking(statement: str) -> list[str]:
    found = [why for pattern, why in _BREAKING.items() if re.search(pattern, statement, re.IGNORECASE)]
    if re.match(r"ALTER TABLE\b", statement, re.IGNORECASE):
        parts = _ADDED_COLUMN.split(statement.upper())[1:]
        if any("NOT NULL" in part and "DEFAULT" not in part and "GENERATED" not in part for part in parts):
            found.append("adds a column that the running build cannot fill")
    return found[:1]
