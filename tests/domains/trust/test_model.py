"""The anomaly model: it learns what is common, says what is not and why, and is the same after it was kept."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from overworld.domains.trust.model import LEARNS_FROM, Model, features
from tests.domains.trust.court import ANN, window


def usual(chance: Random) -> dict[str, Any]:
    """Somebody on foot, by bicycle or in a car."""
    speed = chance.choice([1.3, 1.4, 1.5, 3.0, 5.5, 12.0]) * chance.uniform(0.8, 1.2)
    return {
        "noise_m": chance.uniform(1.0, 8.0),
        "speed_mean_m_s": speed,
        "speed_cv": chance.uniform(0.1, 0.5),
        "turn_rms_deg": chance.uniform(5, 40),
        "moved_m": 55 * speed,
        "straight_m": 55 * speed * chance.uniform(0.6, 0.99),
        "accuracy_mean_m": chance.uniform(4, 20),
        "accuracy_sd_m": chance.uniform(0.3, 4),
        "interval_cv": chance.uniform(0, 0.1),
    }


def score(model: Model, figures: dict[str, Any]) -> float:
    """What the model says of a window that moves, which it learns too."""
    anomaly = model.take(window(ANN, **figures))
    assert anomaly is not None
    return anomaly.score


STRANGE = {"noise_m": 0.02, "speed_cv": 0.002, "accuracy_sd_m": 0.0, "turn_rms_deg": 90.0}


@pytest.fixture(scope="module")
def taught() -> Model:
    model, chance = Model(), Random(4)
    for _ in range(6 * LEARNS_FROM):
        model.take(window(ANN, **usual(chance)))
    return model


def test_what_is_strange_scores_above_what_is_usual(taught):
    """The area under the curve: how often a strange window scores above a usual one, drawn at random."""
    chance = Random(9)
    good = [score(taught, usual(chance)) for _ in range(300)]
    bad = [score(taught, usual(chance) | STRANGE) for _ in range(60)]
    above = sum((one > other) + 0.5 * (one == other) for one in bad for other in good)
    assert above / (len(good) * len(bad)) > 0.97
    assert sum(one >= 0.8 for one in good) <= 6


def test_the_figure_that_is_out_of_the_way_is_named(taught):
    figures = usual(Random(3)) | {"noise_m": 0.0, "speed_cv": 0.0}
    anomaly = taught.take(window(ANN, **figures))
    assert anomaly is not None
    assert anomaly.score > 0.8
    assert {"noise", "spread"} & set(anomaly.because)
    assert all(0 < share <= 1 for share in anomaly.because.values())


def test_a_kept_model_goes_on_as_if_it_had_never_stopped(taught):
    kept = Model.restored(taught.saved())
    chance = Random(11)
    assert kept.saved() == taught.saved()
    for i in range(LEARNS_FROM + 10):
        one = window(ANN, **(usual(chance) | (STRANGE if i % 50 == 0 else {})))
        assert kept.take(one) == taught.take(one)
    assert kept.saved() == taught.saved()


def test_two_models_that_see_the_same_say_the_same():
    models, chance = (Model(), Model()), Random(1)
    for _ in range(LEARNS_FROM + 50):
        one = window(ANN, **usual(chance))
        first, second = (model.take(one) for model in models)
        assert first == second


def test_before_it_has_learned_enough_nothing_is_strange():
    model, chance = Model(), Random(1)
    scores = [score(model, usual(chance)) for _ in range(LEARNS_FROM)]
    assert max(scores) == 0


def test_who_hardly_moves_is_neither_judged_nor_learned():
    model = Model()
    assert model.take(window(ANN, moving_s=1)) is None
    assert model.take(window(ANN, accepted=3)) is None
    assert model.seen == 0


def test_features_lie_between_0_and_1():
    extreme = window(ANN, noise_m=1e9, speed_cv=1e9, turn_rms_deg=1e9, moved_m=0.1, straight_m=5e8, interval_cv=1e9)
    for values in (features(extreme), features(window(ANN, noise_m=0, speed_cv=0))):
        assert values is not None
        assert all(0 <= value <= 1 for value in values)


@pytest.mark.parametrize("saved", [b"", b"x", b"x\x9c"])
def test_what_is_no_model_is_refused(saved):
    with pytest.raises(ValueError, match="no saved model"):
        Model.restored(saved)
