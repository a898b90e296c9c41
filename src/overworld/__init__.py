"""Overworld: the open-source backend for games played on a planet.

Five floors, and imports only go down: `app` builds, `flows` react across domains, `domains` decide, `platform`
drives databases and networks, `geo` and `kernel` are the pure vocabulary everything shares.
"""

__version__ = "0.1.0"
