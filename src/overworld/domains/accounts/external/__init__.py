"""Accounts elsewhere: signing in with a provider or a wallet, linking them, and letting go of them again.

An account elsewhere is known by its issuer and by what the issuer calls it for ever. Accounts are never joined by an
e-mail address: who vouches for an address somewhere else must not get into the account that has it here, nor the other
way round. Whoever wants one account for both proves both, by linking.
"""
