"""Keys for servers, and keys that can only write telemetry.

`rules` says what a key may hold and what it looks like, `book` knows every live key in each process and turns one into
a principal without I/O, `service` makes, rotates and revokes them, `store` is the SQL. docs/concepts/staff.md tells how
they are used, ADR 101 why they are known everywhere.
"""
