"""The world's commands and questions: its doors, what is told of movement, what servers share, and who is hidden."""

from overworld.domains.world.service.events import MovementEvents
from overworld.domains.world.service.hiding import Hiding
from overworld.domains.world.service.intake import Reporter
from overworld.domains.world.service.sharing import FixSharing
from overworld.domains.world.service.world import World

__all__ = ["FixSharing", "Hiding", "MovementEvents", "Reporter", "World"]
