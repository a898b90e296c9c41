"""What mail is for: confirming an e-mail address, a new one too, and setting a new password when the old one is lost.

`queue` keeps mails in the transactions that want them, `sender` makes their tokens and sends them, `changes` does what
the tokens are for. docs/concepts/mail.md tells how, ADR 104 why.
"""
