"""Many players who are no people, by the thousand and of every kind: `overworld bots`.

Pure: `kinds` (who they are, and whether they cheat), `movers` and `receiver` (how they move and what their receivers
say of it, compiled), `crowd` (all of them as columns, on any clock). Around it: `source`, `recording`, `line`, `fleet`
and `run` send what they do to a running server; `figures`, `told` and `page` say what became of it.
"""
