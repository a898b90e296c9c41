"""Versions of a game's definition: begun by a start or a reload, kept in the database, followed by every server.

Owns `game.version`. A reload makes version n+1 while players play: the daily cap, levels, limits and hooks change at
once, what spawns changes with the next window, and what spawned before keeps its terms. Refused is what no running
server can change, and what would take away a currency that somebody holds or will be paid.
"""
