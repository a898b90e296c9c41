"""Analytics: what players did, asked of the columns in which events lie.

Owns no data: events, rollups and presence are the store's (`platform.columns`), boards are gameplay's, levels too. It
never writes, decides nothing about a player, and tells of nobody by name: players are pseudonyms in the store, and who
asks about one has to know the id.

One query layer, `Answers`, serves every edge. Each answer says how old it may be: seconds for what is live, a minute
for what takes long to count.
"""

from typing import TYPE_CHECKING

from overworld.kernel.door import door

if TYPE_CHECKING:
    from overworld.domains.analytics.wiring import AnalyticsParts, build
else:
    __getattr__ = door(__name__, wiring=["AnalyticsParts", "build"])

__all__ = ["AnalyticsParts", "build"]
