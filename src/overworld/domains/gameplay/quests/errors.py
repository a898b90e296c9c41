"""How quests refuse. A start is checked in the order in which the refusals stand here."""

from __future__ import annotations

from overworld.kernel.refusals import Refusal


class NoSuchQuest(Refusal):
    """There is no such quest."""

    code = "gameplay.no_such_quest"
    status = 404
    public = ("quest",)


class QuestNotOpen(Refusal):
    """The quest is not open at this time."""

    code = "gameplay.quest_not_open"
    status = 409
    public = ("quest", "opens_at", "closes_at")


class QuestEnded(Refusal):
    """The quest has been completed or has failed, and cannot be begun again yet."""

    code = "gameplay.quest_ended"
    status = 409
    public = ("quest", "state")


class QuestLocked(Refusal):
    """The player does not have what the quest asks of those who begin it.

    `missing` says what: level, quest, membership, zone or assignment.
    """

    code = "gameplay.quest_locked"
    status = 409
    public = ("quest", "missing")


class QuestNotMet(Refusal):
    """The objectives of the quest are not met."""

    code = "gameplay.quest_not_met"
    status = 409
    public = ("quest",)


class QuestUnpaid(Refusal):
    """The quest's rewards cannot be given: a wallet is frozen, or holds as much as it can.

    Nothing was given, and the quest stays met: complete it under a new key when that has changed.
    """

    code = "gameplay.quest_unpaid"
    status = 409
    public = ("quest",)


class QuestNameTaken(Refusal):
    """The game's definition has a quest of this name."""

    code = "gameplay.quest_name_taken"
    status = 409
    public = ("quest",)


class BadQuest(Refusal):
    """A quest cannot be made like this."""

    code = "gameplay.bad_quest"
    status = 400
    public = ("quest", "field")
