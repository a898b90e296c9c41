"""What a migration may do while the build before it is still running."""

from __future__ import annotations

import pytest

from overworld.platform.postgres.lint import problems_of

FINE = [
    "CREATE TABLE shop.item (id int PRIMARY KEY, type text NOT NULL)",
    "CREATE INDEX item_by_type ON shop.item (type)",
    "ALTER TABLE shop.item ADD COLUMN price int",
    "ALTER TABLE shop.item ADD COLUMN type text NOT NULL DEFAULT 'a; DROP TABLE shop.item'",
    "ALTER TABLE shop.item ADD COLUMN n bigint NOT NULL GENERATED ALWAYS AS IDENTITY",
    "ALTER TABLE shop.item ADD CONSTRAINT named CHECK (name IS NOT NULL) NOT VALID",
    "ALTER TABLE shop.item ALTER COLUMN price DROP NOT NULL",
    "ALTER TABLE shop.item ALTER COLUMN price DROP DEFAULT",
    "CREATE FUNCTION shop.f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN DROP TABLE x; COMMIT; RETURN 1; END $$",
    "CREATE FUNCTION shop.f() RETURNS int LANGUAGE sql SET search_path = '' AS $body$ SELECT 1; $body$",
    "CREATE TABLE shop.sale (item_id int REFERENCES shop.item (id))",
    "/* DROP TABLE shop.item; */ SELECT 1 -- TRUNCATE shop.item;",
]
BREAKING = [
    "DROP TABLE shop.item",
    "-- a comment before it\nDROP TABLE shop.item",
    "/* it is not used */ drop function shop.f()",
    "TRUNCATE shop.item",
    "ALTER TABLE shop.item RENAME TO thing",
    "ALTER TABLE shop.item\n  RENAME COLUMN price TO cost",
    "ALTER TABLE shop.item DROP COLUMN price",
    "ALTER TABLE shop.item DROP price",
    "ALTER TABLE shop.item DROP CONSTRAINT named",
    "ALTER TABLE shop.item ALTER COLUMN price TYPE bigint",
    "ALTER TABLE shop.item ALTER price SET DATA TYPE bigint",
    "ALTER TABLE shop.item ALTER COLUMN price SET NOT NULL",
    "ALTER TABLE shop.item ADD COLUMN price int NOT NULL",
    "ALTER TABLE shop.item ADD price int NOT NULL, ADD COLUMN cost int NOT NULL DEFAULT 0",
    "ALTER TABLE shop.item SET SCHEMA stall",
]
NEVER = [
    "BEGIN; SELECT 1; COMMIT",
    "SET search_path = shop",
    "CREATE TABLE item (id int)",
    "CREATE TABLE IF NOT EXISTS market.item (id int)",
    "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE TABLE shop.sale (player_id uuid REFERENCES accounts.account (id))",
]


@pytest.mark.parametrize("sql", FINE)
def test_what_only_adds_is_fine(sql):
    assert problems_of(sql, schema="shop", phase="expand") == []


@pytest.mark.parametrize("sql", BREAKING)
@pytest.mark.parametrize("phase", ["expand", "migrate"])
def test_what_takes_away_belongs_in_a_contract_file(sql, phase):
    assert len(problems_of(sql, schema="shop", phase=phase)) == 1
    assert problems_of(sql, schema="shop", phase="contract") == []


@pytest.mark.parametrize("sql", NEVER)
@pytest.mark.parametrize("phase", ["expand", "contract"])
def test_what_no_migration_may_do(sql, phase):
    assert problems_of(sql, schema="shop", phase=phase) != []
