"""A newcomer who types what README.md and the tours say gets what they show."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs import tours
from tests.docs.machine import SERVE, Machine
from tests.docs.pages import read
from tests.docs.tours import Step
from tests.thinned import whole_only


@pytest.mark.slow
@pytest.mark.parametrize("file", ["README.md", pytest.param("docs/tour.md", marks=whole_only)])  # 20 s of a core each
async def test_a_tour_does_what_it_says(file: str, tmp_path: Path):
    _, serving = parts(file)
    await Machine(tmp_path).walk(serving)


@pytest.mark.slow
async def test_a_game_is_made_as_the_page_says(tmp_path: Path):
    """From nothing to the first coin, and a change while it runs; but its shells lie all day, so that none vanishes."""
    making, serving = parts("docs/make-a-game.md")
    machine = Machine(tmp_path)
    await machine.run(making)
    file = tmp_path / "rock-pool" / "game.toml"
    day_long = file.read_text().replace("window_s = 1800", "window_s = 86400")
    file.write_text(day_long)
    await machine.walk(serving)


def parts(file: str) -> tuple[list[Step], list[Step]]:
    """What is typed before the server runs, and from then on."""
    taken = tours.steps(read(file))
    serving = next(i for i, step in enumerate(taken) if SERVE.search(step.commands))
    return taken[:serving], taken[serving:]


@pytest.mark.parametrize(
    ("step", "printed"),
    [
        (Step("", "json", '{"a": 1}'), '{"a": "1"}'),
        (Step("", "json", '{"a": 1}'), '{"b": 1}'),
        (Step("", "json", '{"items": [{"a": 1}]}'), '{"items": []}'),
        (Step("", "json", '{"accepted": true}'), '{"accepted": false}'),
        (Step("", "json", "{}"), "Not Found"),
        (Step("", "text", "first\nsecond"), "second\nfirst"),
        (Step("", "text", "a ... z"), "a b c"),
    ],
)
def test_what_a_tour_does_not_show_is_told_apart(step, printed):
    assert tours.differences(step, printed)


def test_what_a_tour_shows_may_differ_in_numbers_widths_and_what_dots_stand_for():
    assert tours.differences(Step("", "json", '{"n": 1, "items": [1]}'), '{"n": 2.5, "items": [4, 5]}') == []
    assert tours.differences(Step("", "text", "a  1 ...\nlast"), "head\n  a    1  2  3\nmore\nlast\n") == []
    assert tours.with_ports("at 127.0.0.1:7400 and port 7400", {7400: 1}) == "at 127.0.0.1:1 and port 7400"
