"""Passkeys: signing in by a key pair that the player's device keeps (WebAuthn level 2, discoverable credentials only).

`authenticators` asks devices and judges their answers, `service` holds the two ceremonies, `store` is the SQL. A
ceremony is a secret that whoever begins it gets, and a challenge that the device signs: one answer uses it up, right or
wrong, and it ends by itself. docs/concepts/passkeys.md tells the whole, ADR 120 why it is so.
"""
