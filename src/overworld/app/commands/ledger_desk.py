"""`overworld ledger`, the part about players' accounts: what staff do with them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from cyclopts import Parameter

from overworld.app.commands.flags import Flags
from overworld.app.plain_json import print_json

if TYPE_CHECKING:
    from overworld.app.ledger_desk import Moved

_NOTE_LENGTH_MAX = 140


def _short(_: Any, note: str | None) -> None:
    if note is not None and not (1 <= len(note) <= _NOTE_LENGTH_MAX and note.isprintable()):
        raise ValueError(f"a note is one line of 1 to {_NOTE_LENGTH_MAX} characters")


Note = Annotated[str | None, Parameter(validator=_short)]


def show(
    player: str, *, json: Annotated[bool, Parameter(negative="", show_default=False)] = False, flags: Flags = Flags()
) -> None:
    """Show what a player or a campaign holds, what is pending, and what is frozen.

    It looks into the database of the running server, or the one given by --database, and changes nothing.

    For example:
      overworld ledger show ada
      overworld ledger show 01890a5d-ac96-774b-bcce-b302099a8057 --json

    Exit codes: 0 done, 1 there is no such database or no such player.

    Parameters
    ----------
    player
        A player's id or username, or the id of a campaign.
    json
        Print one JSON object.
    """
    settings = flags.settings().tree

    from overworld.app import ledger_desk

    shown = ledger_desk.show(settings, player)
    if json:
        print_json(ledger_desk.as_json(shown))
    else:
        sys.stdout.writelines(f"{line}\n" for line in ledger_desk.lines(shown))


def freeze(player: str, *, currency: str | None = None, flags: Flags = Flags()) -> None:
    """Let nothing in or out of a player's wallets, in one currency or in all, until they are thawed.

    It holds from the next transfer on, on every server. What was promised before can still be let go. The budgets of a
    campaign are frozen by its id.

    For example:
      overworld ledger freeze ada
      overworld ledger freeze ada --currency coin

    Exit codes: 0 done, 1 there is no such database, player or currency.

    Parameters
    ----------
    player
        A player's id or username, or the id of a campaign.
    currency
        Only this one.
    """
    _freeze(player, currency=currency, frozen=True, flags=flags)


def thaw(player: str, *, currency: str | None = None, flags: Flags = Flags()) -> None:
    """Let value go in and out of a player's wallets again.

    For example:
      overworld ledger thaw ada

    Exit codes: 0 done, 1 there is no such database, player or currency.

    Parameters
    ----------
    player
        A player's id or username, or the id of a campaign.
    currency
        Only this one.
    """
    _freeze(player, currency=currency, frozen=False, flags=flags)


def _freeze(player: str, *, currency: str | None, frozen: bool, flags: Flags) -> None:
    settings = flags.settings().tree

    from overworld.app import ledger_desk

    count = ledger_desk.freeze(settings, player, currency=currency, frozen=frozen)
    sys.stdout.write(f"{count} {'account is' if count == 1 else 'accounts are'} {'frozen' if frozen else 'thawed'}\n")


def mint(
    player: str, amount: str, currency: str, *, note: Note = None, key: str | None = None, flags: Flags = Flags()
) -> None:
    """Give a player something new: the supply of the currency grows by it.

    It goes through the same books as everything else and stands in the player's history as `mint`. With --key the same
    command again does nothing more, so that a script may be run twice.

    For example:
      overworld ledger mint ada 50 coin --note "the outage of 3 May" --key may3-ada

    Exit codes: 0 done, or done before under this key; 1 it was refused, or there is no such database or player.

    Parameters
    ----------
    player
        The player's id or username.
    amount
        How much, as the currency is written: 1.50.
    currency
        A currency of the game.
    note
        Why, in a line of at most 140 characters; players do not see it.
    key
        A name for this very order; the same name with another order is refused.
    """
    settings = flags.settings().tree

    from overworld.app import ledger_desk

    order = ledger_desk.Order(owner=player, amount=amount, currency=currency, note=note, key=key)
    _tell("minted for", currency, ledger_desk.mint(settings, order))


def burn(
    player: str, amount: str, currency: str, *, note: Note = None, key: str | None = None, flags: Flags = Flags()
) -> None:
    """Take something from a player for good: the supply of the currency shrinks by it.

    It stands in the player's history as `burn`. With --key the same command again does nothing more.

    For example:
      overworld ledger burn ada 50 coin --note "won by cheating" --key case-17

    Exit codes: 0 done, or done before under this key; 1 it was refused, as when the player holds less, or there is no
    such database or player.

    Parameters
    ----------
    player
        The player's id or username.
    amount
        How much, as the currency is written: 1.50.
    currency
        A currency of the game.
    note
        Why, in a line of at most 140 characters; players do not see it.
    key
        A name for this very order; the same name with another order is refused.
    """
    settings = flags.settings().tree

    from overworld.app import ledger_desk

    order = ledger_desk.Order(owner=player, amount=amount, currency=currency, note=note, key=key)
    _tell("burned from", currency, ledger_desk.burn(settings, order))


def fund(
    campaign: UUID, amount: str, currency: str, *, note: Note = None, key: str | None = None, flags: Flags = Flags()
) -> None:
    """Give a campaign something to give away: collectibles that it pays for can be collected while it lasts.

    With --key the same command again does nothing more.

    For example:
      overworld ledger fund 01890a5d-ac96-774b-bcce-b302099a8057 100000 coin

    Exit codes: 0 done, or done before under this key; 1 it was refused, or there is no such database.

    Parameters
    ----------
    campaign
        The campaign's id, which is the `payer_id` of what it places.
    amount
        How much, as the currency is written: 1.50.
    currency
        A currency of the game.
    note
        Why, in a line of at most 140 characters.
    key
        A name for this very order; the same name with another order is refused.
    """
    settings = flags.settings().tree

    from overworld.app import ledger_desk

    order = ledger_desk.Order(owner=str(campaign), amount=amount, currency=currency, note=note, key=key)
    _tell("given to", currency, ledger_desk.fund(settings, order))


def _tell(done: str, currency: str, moved: Moved) -> None:
    again = ", by an earlier order under this key" if moved.again else ""
    sys.stdout.write(f"{moved.amount} {currency} {done} {moved.owner_id}, transfer {moved.transfer_id}{again}\n")


COMMANDS = (show, freeze, thaw, mint, burn, fund)
