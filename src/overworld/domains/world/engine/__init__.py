"""The columns behind the world and the compiled loops over them. Only the service touches them, in its event loop.

One row (slot) per player. A slot whose player is forgotten is used again under a new generation, so a fix that was
queued for the old one is recognised and dropped.
"""
