"""The world's commands and questions: the doors, what is told of movement, and what several servers share."""

from overworld.domains.world.service.events import MovementEvents
from overworld.domains.world.service.intake import Reporter
from overworld.domains.world.service.sharing import FixSharing
from overworld.domains.world.service.world import World

__all__ = ["FixSharing", "MovementEvents", "Reporter", "World"]
