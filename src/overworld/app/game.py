"""A game's definition: `game.toml` read into typed values, checked as a whole, and found by name or path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from stat import S_ISREG
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

import overworld
from overworld.app.carry_checks import check_carry
from overworld.app.definition import DefinitionError, Located, did_you_mean
from overworld.app.hooks.loading import FILE_NAME as HOOKS_FILE
from overworld.app.hooks.loading import HookFaults, Hooks, load
from overworld.app.quest_checks import check_quests
from overworld.app.simulate.targets import EconomyRules, check_economy
from overworld.domains.accounts.membership.types import MembershipRules
from overworld.domains.gameplay.boards.types import EXPERIENCE, BoardRules, turns_of
from overworld.domains.gameplay.carry.kit import kit_of
from overworld.domains.gameplay.carry.types import BadgeRules, ItemRules, Kit, Name, ToolRules
from overworld.domains.gameplay.quests.types import QuestName, QuestRules
from overworld.domains.gameplay.sync.types import SyncRules
from overworld.domains.gameplay.types import CollectibleRules, ProgressionRules
from overworld.domains.ledger.types import TransferRules
from overworld.domains.trust.types import TrustRules
from overworld.domains.world.fences import definition
from overworld.domains.world.fences.definition import FenceRules
from overworld.domains.world.fences.types import FenceName
from overworld.domains.world.types import InterestRules, MovementRules
from overworld.kernel.money import Currency

FILE_NAME = "game.toml"
SHIPPED = Path(overworld.__file__).parent / "games"
BYTES_MAX = 1 << 20
CANONICAL_NOUNS = ("collectibles", "tools", "memberships", "inventory", "items", "quests", "leaderboard", "sync")
TOP_PATHS = frozenset(
    {"admin", "auth", "game", "ledger", "live", "location", "memberships", "realtime", "start", "tokens", "users"}
)

Slug = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
CurrencyCode = Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,15}$")]


class GameErrors(Exception):
    """Everything that is wrong with a definition; prints as a list, one line each."""

    def __init__(self, file: Path, errors: Sequence[DefinitionError]) -> None:
        lines = [f"{file}: {len(errors)} error{'s' * (len(errors) != 1)}", *(f"  {error}" for error in errors)]
        super().__init__("\n".join(lines))
        self.file = file
        self.errors = tuple(errors)


class About(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `[game]` of game.toml: its name, what people call it, and the planet it is played on."""

    name: Slug
    title: Annotated[str, Meta(min_length=1, max_length=80)]
    planet: Literal["earth"] = "earth"


class RouteNames(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `[routes]` of game.toml: what the game calls the platform's nouns in paths.

    The name of collectibles stands in the socket's events too.
    """

    collectibles: Slug | None = None
    tools: Slug | None = None
    memberships: Slug | None = None
    inventory: Slug | None = None
    items: Slug | None = None
    quests: Slug | None = None
    leaderboard: Slug | None = None
    sync: Slug | None = None


class CurrencyRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[currencies.CODE]`: how many decimal places its amounts have."""

    scale: Annotated[int, Meta(ge=0, le=18)] = 0


class GameFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A game.toml as it is written."""

    game: About
    routes: RouteNames = RouteNames()
    currencies: Annotated[dict[CurrencyCode, CurrencyRules], Meta(min_length=1, max_length=64)]
    movement: MovementRules = MovementRules()
    interest: InterestRules = InterestRules()
    collectibles: CollectibleRules
    progression: ProgressionRules
    transfers: TransferRules = TransferRules()
    items: ItemRules = ItemRules()
    tools: ToolRules = ToolRules()
    badges: Annotated[dict[Name, BadgeRules], Meta(max_length=256)] = {}
    quests: Annotated[dict[QuestName, QuestRules], Meta(max_length=256)] = {}
    sync: SyncRules = SyncRules()
    memberships: Annotated[dict[Slug, MembershipRules], Meta(max_length=64)] = {}
    economy: EconomyRules = EconomyRules()
    leaderboards: Annotated[dict[Slug, BoardRules], Meta(max_length=32)] = {}
    trust: TrustRules = TrustRules()
    fences: Annotated[dict[FenceName, FenceRules], Meta(max_length=10_000)] = {}


class Game(Struct, frozen=True, kw_only=True):
    """A checked definition, as it was `written` too.

    `digest` is the SHA-256 of its content: comments, order and spelled-out defaults aside, its rules.py as it stands.
    """

    name: str
    title: str
    planet: str
    routes: RouteNames
    currencies: tuple[Currency, ...]
    movement: MovementRules
    interest: InterestRules
    collectibles: CollectibleRules
    progression: ProgressionRules
    transfers: TransferRules
    items: ItemRules
    tools: ToolRules
    badges: dict[str, BadgeRules]
    quests: dict[str, QuestRules]
    sync: SyncRules
    memberships: dict[str, MembershipRules]
    economy: EconomyRules
    leaderboards: dict[str, BoardRules]
    trust: TrustRules
    fences: dict[str, FenceRules]
    digest: str
    file: Path
    written: GameFile
    hooks: Hooks = Hooks()

    @property
    def kit(self) -> Kit:
        """All that there is to carry, worked out."""
        return kit_of(
            self.items,
            self.tools,
            self.badges,
            currencies={currency.code: currency for currency in self.currencies},
            levels=self.progression.levels,
            reduced_share=self.collectibles.reduced_share,
        )


def check(path: Path) -> Game:
    """The game in a folder, or in a game.toml; its rules.py is run.

    Raises: GameErrors with everything that is wrong, in the order of the lines.
    """
    file = path / FILE_NAME if path.is_dir() else path
    located = Located(read_text(file))
    written: GameFile | None = None
    if not located.errors:
        written = located.read(located.table, GameFile)
    if not located.errors and written is not None:
        _cross_check(written, located)
    if located.errors or written is None:
        raise GameErrors(file, sorted(located.errors, key=lambda error: error.line or 0))
    written = _with_drawn_fences(written, file)
    return assembled(written, file=file, hooks=_hooks(written, file.parent))


def _with_drawn_fences(written: GameFile, file: Path) -> GameFile:
    """The same with the fences of the GeoJSON beside it. Raises: GameErrors."""
    beside = definition.beside(file)
    if beside is None:
        return written
    fences, faults = definition.read(read_text(beside))
    errors = [DefinitionError(path=fault.path, problem=fault.reason) for fault in faults]
    twice = sorted(fences.keys() & written.fences.keys())
    errors += [DefinitionError(path=name, problem=f"{FILE_NAME} has it too: names are unique") for name in twice]
    if errors:
        raise GameErrors(beside, errors)
    return replace(written, fences=written.fences | fences)


def _hooks(written: GameFile, folder: Path) -> Hooks:
    try:
        loaded = load(folder)
    except HookFaults as faults:
        raise GameErrors(faults.file, faults.errors) from faults
    if not loaded.functions:
        return loaded

    from overworld.app.hooks.work import try_out  # noqa: PLC0415  # columns need what takes long to import

    if errors := try_out(loaded, written.collectibles):
        raise GameErrors(folder / HOOKS_FILE, errors)
    return loaded


def digest_of(written: GameFile, *, hooks_digest: str) -> str:
    """What names a definition's content."""
    content = msgspec.json.encode(written, order="deterministic") + hooks_digest.encode()
    return sha256(content).hexdigest()


def assembled(written: GameFile, *, file: Path, hooks: Hooks) -> Game:
    """The game of a definition that was checked."""
    return Game(
        name=written.game.name,
        title=written.game.title,
        planet=written.game.planet,
        routes=written.routes,
        currencies=tuple(Currency(code, rules.scale) for code, rules in written.currencies.items()),
        movement=written.movement,
        interest=written.interest,
        collectibles=with_member_bonuses(written.collectibles, written.memberships),
        progression=written.progression,
        transfers=written.transfers,
        items=written.items,
        tools=written.tools,
        badges=written.badges,
        quests=written.quests,
        sync=written.sync,
        memberships=written.memberships,
        digest=digest_of(written, hooks_digest=hooks.digest),
        economy=written.economy,
        leaderboards=written.leaderboards,
        trust=written.trust,
        fences=written.fences,
        file=file,
        written=written,
        hooks=hooks,
    )


def found(name_or_path: str) -> Path:
    """The folder of a game: one that is shipped, by its name, or any, by its path.

    Raises: GameErrors when there is none, naming those that are shipped.
    """
    try:
        for folder in (SHIPPED / name_or_path, Path(name_or_path).expanduser()):
            if (folder / FILE_NAME).is_file():
                return folder
            if folder.name == FILE_NAME and folder.is_file():
                return folder.parent
    except OSError as error:
        problem = f"cannot be looked for: {error.strerror}"
        raise GameErrors(Path(name_or_path), [DefinitionError(path="", problem=problem)]) from error
    except RuntimeError as error:  # a home folder of nobody
        raise GameErrors(Path(name_or_path), [DefinitionError(path="", problem=str(error))]) from error
    names = sorted(file.parent.name for file in SHIPPED.glob(f"*/{FILE_NAME}"))
    problem = f"there is no game {name_or_path!r}: neither shipped nor a folder with a {FILE_NAME}"
    raise GameErrors(
        Path(name_or_path), [DefinitionError(path="", problem=problem, hint=did_you_mean(name_or_path, names))]
    )


def read_text(file: Path) -> str:
    """The text of a definition or of its tests, at most 1 MiB. Raises: GameErrors."""
    try:
        about = file.stat()
        # A pipe or a device may never end.
        if not S_ISREG(about.st_mode):
            problem = "is not a file"
        elif about.st_size > BYTES_MAX:
            problem = f"is larger than {BYTES_MAX} bytes"
        else:
            return file.read_text(encoding="utf-8")
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError as error:
        problem = f"is not UTF-8 text: byte {error.start}"
    raise GameErrors(file, [DefinitionError(path="", problem=problem)])


def _cross_check(written: GameFile, located: Located) -> None:
    """What no part can know alone."""
    _check_values(written, located)
    _check_transfers(written, located)
    _check_biomes(written, located)
    check_carry(written, located)
    check_quests(written, located)
    _check_memberships(written, located)
    check_economy(written.economy, written.currencies, located)
    _check_leaderboards(written, located)
    for name, fence in written.fences.items():
        if problem := definition.problem_of(fence):
            located.refuse(("fences", name), problem)
    levels = written.progression.levels
    for i in range(1, len(levels)):
        if levels[i] <= levels[i - 1]:
            problem = f"{levels[i]} does not grow: the level before begins at {levels[i - 1]}"
            located.refuse(("progression", "levels", str(i)), problem)
    aliases: dict[str, str] = {noun: noun for noun in CANONICAL_NOUNS}
    for noun, alias in msgspec.structs.asdict(written.routes).items():
        if alias is not None and aliases.setdefault(alias, noun) != noun:
            located.refuse(("routes", noun), f"`{alias}` already stands for {aliases[alias]}")


def _check_values(written: GameFile, located: Located) -> None:
    for name, declared in written.collectibles.types.items():
        path = ("collectibles", "types", name)
        currency = _currency(declared.currency, written, located, (*path, "currency"))
        if currency is not None:
            _amount_minor(declared.value, currency, located, (*path, "value"))


def _check_biomes(written: GameFile, located: Located) -> None:
    types = written.collectibles.types
    for name, biome in written.collectibles.biomes.items():
        path = ("collectibles", "biomes", name)
        for kind in biome.weights.keys() - types.keys():
            located.refuse((*path, "weights", kind), f"there is no type `{kind}`", hint=did_you_mean(kind, types))
        if biome.latitude_min_deg > biome.latitude_max_deg:
            problem = f"{biome.latitude_min_deg:g} is beyond latitude_max_deg, {biome.latitude_max_deg:g}"
            located.refuse((*path, "latitude_min_deg"), problem)


def _check_transfers(written: GameFile, located: Located) -> None:
    for code, limits in written.transfers.currencies.items():
        path = ("transfers", "currencies", code)
        currency = _currency(code, written, located, path)
        if currency is None:
            continue
        at_once, in_a_day = (
            _amount_minor(getattr(limits, name), currency, located, (*path, name))
            for name in ("per_transfer_max", "per_day_max")
        )
        if at_once and in_a_day and at_once > in_a_day:
            problem = f"{limits.per_transfer_max} at once is more than the {limits.per_day_max} of a day"
            located.refuse((*path, "per_transfer_max"), problem)


def _check_memberships(written: GameFile, located: Located) -> None:
    for name, declared in written.memberships.items():
        path = ("memberships", name)
        if declared.price is not None and declared.currency is not None:
            currency = _currency(declared.currency, written, located, (*path, "currency"))
            if currency is not None:
                _amount_minor(declared.price, currency, located, (*path, "price"))
        if name in written.collectibles.member_bonus and Decimal(declared.benefits.reward_multiplier) != 1:
            problem = f"collectibles.member_bonus says already what {name} brings"
            located.refuse((*path, "benefits", "reward_multiplier"), problem)
    founding = [name for name, declared in written.memberships.items() if declared.founding]
    for name in founding[1:]:
        located.refuse(("memberships", name, "founding"), f"{founding[0]} is the founding club already")
    alias = written.routes.memberships
    if alias is not None and not founding:
        located.refuse(("routes", "memberships"), "there is no founding club that this could stand for")
    if alias in TOP_PATHS:
        located.refuse(("routes", "memberships"), f"`/v1/{alias}` has another meaning", hint="choose another name")


def with_member_bonuses(rules: CollectibleRules, memberships: Mapping[str, MembershipRules]) -> CollectibleRules:
    """The same with what memberships multiply rewards by, as shares that come on top."""
    shares = {name: Decimal(one.benefits.reward_multiplier) - 1 for name, one in memberships.items()}
    bonuses = {name: f"{share:f}" for name, share in shares.items() if share}
    return replace(rules, member_bonus=rules.member_bonus | bonuses) if bonuses else rules


def _check_leaderboards(written: GameFile, located: Located) -> None:
    for name, rules in written.leaderboards.items():
        path = ("leaderboards", name)
        if rules.counts not in (None, EXPERIENCE):
            _currency(rules.counts, written, located, (*path, "counts"))
        try:
            turns_of(rules.resets)
        except ValueError as error:
            allowed = "never, daily, weekly, monthly, or a cron expression of five fields"
            located.refuse((*path, "resets"), str(error), allowed=allowed)


def _currency(code: str, written: GameFile, located: Located, path: tuple[str, ...]) -> Currency | None:
    rules = written.currencies.get(code)
    if rules is None:
        located.refuse(path, f"there is no currency `{code}`", hint=did_you_mean(code, written.currencies))
        return None
    return Currency(code, rules.scale)


def _amount_minor(text: str, currency: Currency, located: Located, path: tuple[str, ...]) -> int:
    """The amount in minor units; 0 for one that was refused."""
    try:
        amount_minor = currency.parse(text)
    except ValueError as error:
        located.refuse(path, str(error))
        return 0
    if amount_minor == 0:
        located.refuse(path, "is worth nothing", allowed="a value above 0")
    return amount_minor
