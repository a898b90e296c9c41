"""What an operator may set about the store of events."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class ColumnSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How much the store takes of the machine, when hours are sealed, and for how long what is kept."""

    memory_mb: Annotated[
        int, Meta(ge=64, le=1_000_000, description="Memory that DuckDB may take; beyond it works on disk")
    ] = 512
    spill_mb: Annotated[
        int, Meta(ge=0, le=10_000_000, description="Disk that questions may take when memory does not do")
    ] = 8_192
    threads: Annotated[int, Meta(ge=1, le=256, description="Threads of DuckDB")] = 2
    readers: Annotated[int, Meta(ge=1, le=64, description="Questions that are answered at once")] = 2
    timeout_s: Annotated[float, Meta(gt=0, le=3600, description="Longest that one question may take")] = 10.0
    hot_rows_max: Annotated[
        int,
        Meta(ge=1_000, le=1_000_000_000, description="Rows in DuckDB beyond which hours are sealed before they end"),
    ] = 4_000_000
    seal_after_s: Annotated[
        float, Meta(ge=0, le=86_400, description="Time after its end that an hour waits for events that come late")
    ] = 600.0
    late_after_s: Annotated[
        float, Meta(ge=0, le=604_800, description="Time that events of a sealed hour gather before they get a file")
    ] = 21_600.0
    roll_every_s: Annotated[
        float, Meta(gt=0, le=60, description="Time between two rounds of bringing the rollups up to date")
    ] = 10.0
    keep_every_s: Annotated[
        float, Meta(gt=0, le=3600, description="Time between two rounds of sealing, compressing and archiving")
    ] = 60.0
    seen_max: Annotated[
        int, Meta(ge=1_024, le=100_000_000, description="Newest event ids by which an arriving event is known again")
    ] = 1_000_000
    compress_after_days: Annotated[
        int, Meta(ge=1, le=3650, description="Days after which the hours of a day become one compressed file")
    ] = 7
    raw_days: Annotated[
        int, Meta(ge=2, le=3650, description="Days after which raw events go to the archive; rollups stay")
    ] = 30
    presence_days: Annotated[
        int, Meta(ge=2, le=3650, description="Days for which is kept which players were active")
    ] = 400
    rollup_cell_level: Annotated[
        int, Meta(ge=1, le=30, description="S2 level of the cells of rollups; raw events have finer ones")
    ] = 10
    lake: Annotated[
        bool, Meta(description="Commit sealed files to an Apache Iceberg table in object storage as well")
    ] = False
    snapshots_days: Annotated[
        float, Meta(gt=0, le=3650, description="Days after which snapshots of the Iceberg table expire")
    ] = 3.0

    def __post_init__(self) -> None:
        if self.compress_after_days >= self.raw_days:
            raise ValueError("compress_after_days must be less than raw_days")
