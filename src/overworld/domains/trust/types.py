"""What trust decides over: the game's rules, the operator's settings, facts about players, and what is kept of them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct, field

from overworld.kernel.standing import Gate

SIGHTINGS_BITS = 16
"""So many windows back a state remembers which kinds of evidence they held."""


class Kind(StrEnum):
    """What speaks against a player. Names are never reused or renamed: they stand in rows and replies."""

    MANY_REFUSALS = "many_refusals"
    TELEPORTS = "teleports"
    TWO_PLACES = "two_places"
    MOCK_POSITIONS = "mock_positions"
    REPLAYED_TRACK = "replayed_track"
    SHARED_TRACK = "shared_track"
    STRAIGHT_LINE = "straight_line"
    TOO_SMOOTH = "too_smooth"
    CLOCK_GAMES = "clock_games"
    CLAIM_RHYTHM = "claim_rhythm"
    SHARED_DEVICE = "shared_device"
    ANOMALY = "anomaly"
    MACHINE_PACE = "machine_pace"
    MOVED_TOGETHER = "moved_together"


Share = Annotated[float, Meta(ge=0, le=1)]
HalfLife = Annotated[float, Meta(ge=60, le=31_536_000)]


class TrustRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `[trust]` of game.toml: what a score leads to, and what counts as evidence.

    Below `reduced_below` rewards are reduced, below `review_below` they wait for somebody to look, below `refuse_below`
    there are none; a gate opens again `margin` above where it closed. A window of the anomaly model counts from
    `anomaly_min` on, a pattern of movement from `pattern_min`, and claims whose intervals vary (variance over squared
    mean) by less than `rhythm_max`. `weights` and `half_lives_s` replace those of single kinds of evidence: how much
    one sighting takes from the score, and after how many seconds half of that is given back.
    """

    reduced_below: Share = 0.7
    review_below: Share = 0.5
    refuse_below: Share = 0.3
    margin: Annotated[float, Meta(ge=0, le=0.2)] = 0.05
    anomaly_min: Annotated[float, Meta(gt=0, le=1)] = 0.8
    pattern_min: Annotated[float, Meta(gt=0, lt=1)] = 0.9
    rhythm_max: Annotated[float, Meta(gt=0, le=1)] = 0.1
    weights: Annotated[dict[Kind, Share], Meta(max_length=32)] = {}
    half_lives_s: Annotated[dict[Kind, HalfLife], Meta(max_length=32)] = {}

    def __post_init__(self) -> None:
        if not self.refuse_below < self.review_below < self.reduced_below:
            raise ValueError("refuse_below, review_below and reduced_below must grow in this order")


class TrustSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long what trust knows is kept, and how much of it is held in memory."""

    evidence_kept_days: Annotated[int, Meta(ge=1, le=3_650, description="days that evidence is kept")] = 90
    tracks_kept_days: Annotated[
        int, Meta(ge=1, le=365, description="days in which an exact copy of a track is known again")
    ] = 30
    devices_kept_days: Annotated[
        int, Meta(ge=1, le=365, description="days in which accounts count that signed in from one place")
    ] = 30
    grace_days: Annotated[
        int, Meta(ge=0, le=365, description="days in which evidence of a kind that was dismissed does not count again")
    ] = 7
    standings_cached_max: Annotated[
        int, Meta(ge=100, le=10_000_000, description="players whose standing a server holds in memory")
    ] = 200_000
    recover_every_s: Annotated[
        float, Meta(ge=0.1, le=3_600, description="how often players are looked for whose gate opens by itself")
    ] = 15.0


class Window(Struct, frozen=True, kw_only=True, gc=False):
    """How a player moved in one window of fixes, of a minute or more; what a window cannot tell is 0.

    `began_us`, `ended_us` are the track's own time, `at_us` the server's when it was told, in microseconds since 1970.
    The other fields are those of the world's `MovementObserved`.
    """

    player_id: UUID
    at_us: int
    began_us: int
    ended_us: int
    fixes: int
    accepted: int
    refused: dict[str, int] = {}
    moved_m: float = 0.0
    straight_m: float = 0.0
    moving_s: float = 0.0
    speed_mean_m_s: float = 0.0
    speed_cv: float = 0.0
    turn_rms_deg: float = 0.0
    noise_m: float = 0.0
    interval_mean_s: float = 0.0
    interval_cv: float = 0.0
    accuracy_mean_m: float = 0.0
    accuracy_sd_m: float = 0.0
    repeated: int = 0
    told_speed_gap_m_s: float = 0.0
    clock_offset_s: float = 0.0
    clock_jumps: int = 0
    mode: str = ""
    cell: str = ""
    shingles: tuple[int, ...] = ()
    own_timeline: bool = False
    refused_streak: int = 0
    smooth_share: float = 0.0
    leaps: int = 0
    shingle_ages_s: tuple[float, ...] = ()


class Claimed(Struct, frozen=True, kw_only=True, gc=False):
    """A player was paid for something they took."""

    player_id: UUID
    at_us: int


class SignedIn(Struct, frozen=True, kw_only=True, gc=False):
    """A player signed in. `place` is a digest of the address and the client, None for an address of no use."""

    player_id: UUID
    at_us: int
    place: bytes | None


Fact = Window | Claimed | SignedIn


class Evidence(Struct, frozen=True, kw_only=True):
    """Something that speaks against a player: `weight` was taken from the score, and half comes back in `half_life_s`.

    `figures` made it, `reason` says it in words; `began_us` and `ended_us` are the window, in the track's own time.
    """

    player_id: UUID
    kind: Kind
    at_us: int
    began_us: int
    ended_us: int
    weight: float
    half_life_s: float
    reason: str
    figures: dict[str, float]


class Mark(Struct, frozen=True, array_like=True):
    """How much one kind of evidence takes from the score: `level` at `at_us`, and how often it was seen."""

    level: float
    at_us: int
    count: int


class Pace(Struct, frozen=True, array_like=True, gc=False):
    """How somebody moved in a window that was all movement, in whole numbers, so that it is small."""

    speed_cm_s: int
    noise_cm: int
    accuracy_cm: int
    accuracy_sd_cm: int
    fixes: int
    every_ms: int
    straight_pct: int


class PlayerState(Struct, array_like=True):
    """What is kept of a player from window to window; a few hundred bytes.

    `sightings` has a bit for each of the last windows, the newest lowest. `break_us` are the times at which the track
    broke off in the last hour, `broken` whether it is broken off now, `doubtful` whether it may just have come back.
    `spared` are the kinds of evidence that count for nothing until an instant, because staff dismissed them.
    `leapt` is whether the last window held a leap that is no break so far; `clock_us` are the times at which the clock
    was changed in the last hour, `offsets_s` what it was ahead in the last windows, `told_us` when the last one came,
    `every_s` how often fixes came in the last good one; `paces` are of the last windows, as long as all were movement.
    """

    marks: dict[Kind, Mark] = field(default_factory=dict)
    sightings: dict[Kind, int] = field(default_factory=dict)
    gate: Gate = Gate.NORMAL
    break_us: tuple[int, ...] = ()
    broken: bool = False
    doubtful: bool = False
    cell: str = ""
    ended_us: int = 0
    windows: int = 0
    spared: dict[Kind, int] = field(default_factory=dict)
    leapt: bool = False
    clock_us: tuple[int, ...] = ()
    offsets_s: tuple[float, ...] = ()
    told_us: int = 0
    every_s: float = 0.0
    paces: tuple[Pace, ...] = ()
