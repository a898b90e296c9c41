"""Where secrets are made and checked: passwords, signing keys, access tokens. In memory; nothing here reads a table."""
