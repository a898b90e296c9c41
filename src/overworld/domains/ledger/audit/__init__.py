"""The ledger's log: every transfer in one Merkle tree, sealed in signed blocks, verifiable by strangers.

`merkle`, `tiles`, `records`, `headers` and `blocks` are pure: hashes, formats and how a block is made. `verify` is the
verifier, one file that imports nothing of the house. `sealer` writes the log, `log` and `routes` show it, `export` and
`parquet` write it out, `auditor` watches the books, `checker` goes through everything, `store` and `books` are the SQL.
`docs/ledger-audit.md` tells the format, ADR 74 to 76 why it is so.
"""
