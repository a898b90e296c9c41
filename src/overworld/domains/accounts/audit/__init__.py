"""The audit log: what staff did, who, when and from where, in a chain that shows every change.

`trail` implements the kernel's `AuditTrail`: it adds entries in the transactions that did what they tell of. `sealer`
gives them their numbers and hashes afterwards, `chain` says how a hash is made, `reading` shows the log and goes
through it, `store` is the SQL. docs/concepts/audit.md tells what is kept, ADR 93 why it is so.
"""
