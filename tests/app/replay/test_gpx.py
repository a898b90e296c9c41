"""GPX files are read as walks, and what cannot be walked says why."""

from pathlib import Path

import pytest

from overworld.app.replay.gpx import BadTrack, read_track

TRACKS = Path(__file__).parents[2] / "data" / "gpx"


def gpx(*points: str) -> str:
    return f'<gpx version="1.1"><trk><trkseg>{"".join(points)}</trkseg></trk></gpx>'


def point(time: str | None, lat: str = "46", lon: str = "14") -> str:
    return f'<trkpt lat="{lat}" lon="{lon}">{f"<time>{time}</time>" if time else ""}</trkpt>'


GOOD = point("2026-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("name", "points_count", "timed", "minutes"),
    [
        ("cerknicko-jezero.gpx", 296, 296, 119),
        ("korita-zbevnica.gpx", 871, 513, 223),
        ("around-visnjan-with-car.gpx", 104, 104, 8),
        ("track_with_speed.gpx", 3, 3, 0),
    ],
)
def test_real_tracks_keep_every_timed_point_in_order(name: str, points_count: int, timed: int, minutes: int):
    track = read_track(TRACKS / name)
    assert (track.points_count, len(track.points), track.span_us // 60_000_000) == (points_count, timed, minutes)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (gpx(point(None), point(None)), "none of its 2 points carries a time"),
        (gpx(GOOD), "single timed point"),
        (gpx(GOOD, point("2025-12-31T23:59:59Z")), "run backwards at timed point 2 of 2"),
        (gpx(), "no track points"),
        (gpx(GOOD)[:-9], "not well-formed"),
        ("walk,walk,walk", "not well-formed"),
        ("<kml></kml>", "root element is <kml>"),
        (gpx(GOOD, point("yesterday")), "time cannot be read"),
        (gpx(GOOD, point("2026-01-01T00:00:01Z", lat="91")), "lat is not a number of degrees"),
        (gpx(GOOD, point("2026-01-01T00:00:01Z", lon="nan")), "lon is not a number of degrees"),
    ],
)
def test_a_file_that_is_no_walk_says_why(tmp_path: Path, content: str, reason: str):
    file = tmp_path / "walk.gpx"
    file.write_text(content)
    with pytest.raises(BadTrack, match=reason):
        read_track(file)


def test_a_file_that_is_not_there_says_so(tmp_path: Path):
    with pytest.raises(BadTrack, match="cannot be read"):
        read_track(tmp_path / "nowhere.gpx")


def test_an_entity_bomb_is_refused_not_expanded(tmp_path: Path):
    """A few kilobytes that would grow to gigabytes are stopped by the parser."""
    entities = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 50}">' for i in range(1, 12))
    file = tmp_path / "bomb.gpx"
    bomb = f'<!DOCTYPE gpx [<!ENTITY e0 "boom">{entities}]><gpx><trk><trkseg><trkpt lat="1" lon="1">'
    file.write_text(f"{bomb}<time>&e11;</time></trkpt></trkseg></trk></gpx>")
    with pytest.raises(BadTrack, match="not well-formed"):
        read_track(file)
