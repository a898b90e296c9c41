"""The second factor of staff: codes that an app works out from a secret and the time (TOTP), and recovery codes.

A session of staff whose account has one gets what players have until it proves it (`Sessions`, `TokenSigner`). This
room sets factors up and judges codes. `codes` is RFC 6238, `sealing` how secrets are kept, `store` the SQL.
docs/concepts/passkeys.md tells the whole, ADR 120 why it is so.
"""
