"""Memberships: the numbered clubs of a game, who is in them, and what that brings.

A club is declared in the game's definition. Its numbers are given out under the lock of the club's row, in the
transaction that makes the member, so that none is left out and none is given twice, whatever is killed meanwhile.
"""
