"""Reactions across domains, one file each: a fact of one domain becomes a message or a command of another.

A flow holds no state and decides nothing; the domains do.
"""
