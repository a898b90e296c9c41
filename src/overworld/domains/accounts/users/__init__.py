"""What staff do with accounts: find them, look at them, suspend and restore them, give them a role, note something.

`rules` says who may do it to whom, `service` does it and records it, `store` is the SQL. Whoever is suspended loses
every token within a second in every process, and cannot sign in. docs/concepts/staff.md tells how it is used.
"""
