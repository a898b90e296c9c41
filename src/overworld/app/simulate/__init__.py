"""The economy simulator: a game's real rules and services on a virtual clock, played by seeded players.

Nothing is decided here that a server decides: claims and everything else that players do go through the services, on
a PostgreSQL of its own that is thrown away. What is made up is how people play (`profiles`, `walking`). The figures
are read from the ledger and the event log.
"""
