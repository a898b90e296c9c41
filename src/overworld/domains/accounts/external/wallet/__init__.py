"""Signing in with Ethereum: the message of EIP-4361, and whose signature stands under it."""
