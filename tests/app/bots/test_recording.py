"""A run on file is sent again byte for byte, at another time; what is none is refused before anything is sent."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec import UNSET

from overworld.app.bots import recording
from overworld.app.bots.crowd import crowd
from overworld.app.bots.fleet import frames_of
from overworld.app.bots.kinds import KIND_NAMES, KINDS
from overworld.app.bots.recording import BadRecording, Recording
from overworld.app.bots.source import Moving, Repeating, packed_of
from overworld.app.demo.cities import CITIES
from overworld.client.messages import Fix
from overworld.client.packed import encode_fixes, encode_records
from overworld.kernel.clock import from_us
from overworld.kernel.packed import FLAG_MOCK, UNKNOWN

START_US = 1_780_000_000_000_000
STEP_US = 50_000
SHIFT_US = 86_400_000_123


def made(*, seconds=20) -> Recording:
    """Every kind, for so long."""
    bots = Moving(crowd(seed=7, players=80, cheaters=0.5, city=CITIES["tokyo"], start_us=START_US))
    told = [(bots.step(START_US + i * STEP_US), bots.wishes()) for i in range(1, 1 + seconds * 20)]
    sent, wished = (np.concatenate(rows) for rows in zip(*told, strict=True))
    return Recording(
        start_us=START_US, end_us=START_US + seconds * 1_000_000, kind_names=KIND_NAMES,
        kind_is_cheat=np.array([kind.is_cheat for kind in KINDS]), kind=bots.kind, sent=sent, wished=wished,
    )  # fmt: skip


def test_what_is_written_is_read_back(tmp_path):
    file, first = tmp_path / "run.npz", made()
    first.write(file)
    again = recording.read(file)
    assert (again.start_us, again.end_us) == (first.start_us, first.end_us)
    assert tuple(again.kind_names) == KIND_NAMES
    for name in ("kind", "sent", "wished", "is_cheat"):
        assert getattr(again, name).tobytes() == getattr(first, name).tobytes()
    assert [path.name for path in tmp_path.iterdir()] == ["run.npz"]


def test_a_replay_sends_the_same_bytes_shifted_by_one_constant(tmp_path):
    """Whatever the steps in which it is sent: every frame, in its order, at its time."""
    made().write(tmp_path / "run.npz")
    first = recording.read(tmp_path / "run.npz")
    replayed = Repeating(first, start_us=START_US + SHIFT_US)
    steps_us = np.cumsum(np.random.default_rng(1).integers(1, 400_000, 200)) + START_US + SHIFT_US
    told = [(replayed.step(int(now_us)), replayed.wishes()) for now_us in steps_us]
    sent, wished = (np.concatenate(rows) for rows in zip(*told, strict=True))
    assert len(sent) == len(first.sent) > 500
    assert (sent["due_us"] - first.sent["due_us"] == SHIFT_US).all()
    sent["due_us"] -= SHIFT_US
    sent["fix"]["time_us"] -= SHIFT_US
    wished["due_us"] -= SHIFT_US
    assert sent.tobytes() == first.sent.tobytes()
    assert wished.tobytes() == first.wished.tobytes()
    assert frames_of(sent["fix"]) == frames_of(first.sent["fix"])


def test_a_replay_sends_nothing_before_it_is_due():
    first = made(seconds=5)
    replayed = Repeating(first, start_us=START_US)
    half_us = START_US + 2_500_000
    assert replayed.step(half_us)["due_us"].max() <= half_us
    assert replayed.step(first.end_us)["due_us"].min() > half_us
    assert len(replayed.step(first.end_us + 60_000_000)) == 0


def test_frames_are_those_that_clients_send():
    """Byte for byte what the client's own encoders make of the same fixes."""
    fixes = crowd(seed=1, players=40, cheaters=0.5, city=CITIES["seoul"], start_us=START_US).step(START_US + 3_000_000)
    records = packed_of(fixes)["fix"]
    frames = frames_of(records)
    size = len(frames) // len(records)
    for i, fix in enumerate(fixes):
        told = Fix(
            lat=float(fix["lat_deg"]),
            lng=float(fix["lng_deg"]),
            accuracy_m=float(fix["accuracy_m"]),
            timestamp=from_us(int(fix["time_us"])),
            speed_m_s=UNSET if np.isnan(fix["speed_m_s"]) else float(fix["speed_m_s"]),
            heading_deg=UNSET if np.isnan(fix["heading_deg"]) else float(fix["heading_deg"]),
            mock=bool(fix["flags"] & FLAG_MOCK),
        )
        frame = frames[i * size : (i + 1) * size]
        assert frame == encode_records(records[i : i + 1]) == encode_fixes([told])
    assert (records["speed_cm_s"] == UNKNOWN).any()


def broken(file, **changes):
    """The recording with some arrays changed, or left out where None."""
    made(seconds=2).write(file)
    with np.load(file) as held:
        arrays = dict(held) | changes
    np.savez(file, **{name: array for name, array in arrays.items() if array is not None})


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"version": np.int64(2)}, "version 2"),
        ({"version": None}, "version None"),
        ({"wished": None}, "lacks wished"),
        ({"sent": np.zeros(3)}, "columns are others"),
        ({"kind": np.full(80, 99, np.uint8)}, "of no kind"),
        ({"kind": np.zeros(2, np.uint8)}, "names bots that there are not"),
    ],
)
def test_a_damaged_recording_is_refused_and_says_why(tmp_path, changes, why):
    broken(tmp_path / "run.npz", **changes)
    with pytest.raises(BadRecording, match=why):
        recording.read(tmp_path / "run.npz")


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04 cut off"])
def test_what_is_no_recording_is_refused(tmp_path, content):
    (tmp_path / "run.npz").write_bytes(content)
    with pytest.raises(BadRecording, match="is no recording"):
        recording.read(tmp_path / "run.npz")


def test_a_recording_that_is_not_there_is_told(tmp_path):
    with pytest.raises(BadRecording, match="cannot be read: No such file"):
        recording.read(tmp_path / "gone.npz")
