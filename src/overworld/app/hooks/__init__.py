"""A game's own code: the hooks in `rules.py` beside its game.toml, loaded, tried and watched.

A hook is a trusted pure function with a declared signature. It gets the claims of a batch as columns and says what
becomes of each. What it raises costs the claims it raised for, and never the others; a hook that is slow three times in
a minute is switched off until the next version.
"""
