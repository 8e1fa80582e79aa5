"""Cycles under noise are told from noise that only strays."""

import numpy as np
import pytest

from hw2lib.statistics import RedNoise, oscillation

COLOURS = {"white": RedNoise(0.0, 0.0), "AR(0.6)": RedNoise(0.6, 1.0), "AR(0.95)": RedNoise(0.95, 0.5)}


def noise(colour, n=500, samples=1, seed=5):
    return COLOURS[colour].draw(n, samples, np.random.default_rng(seed))


def cycles(n, period, amplitude, samples=1, seed=6):
    phases = np.random.default_rng(seed).uniform(0, 2 * np.pi, (samples, 1))
    return amplitude * np.sin(2 * np.pi * np.arange(n) / period + phases)


@pytest.mark.slow
@pytest.mark.parametrize("colour", COLOURS)
def test_noise_without_a_cycle_is_seldom_said_to_oscillate(colour):
    """5 % is the level; of 120 series it more than 13 are three standard errors too many."""
    found = [oscillation(series).oscillates for series in noise(colour, samples=120)]
    assert sum(found) <= 13


@pytest.mark.parametrize("colour, period", [("white", 25), ("white", 50), ("AR(0.6)", 50), ("AR(0.95)", 25)])
def test_a_cycle_as_strong_as_half_the_noise_is_found(colour, period):
    series = noise(colour, samples=30) + cycles(500, period, 1.0, samples=30)
    assert np.mean([oscillation(s).oscillates for s in series]) >= 0.6


def test_a_trend_alone_does_not_oscillate():
    found = [oscillation(s + np.linspace(0, 3, 500)).oscillates for s in noise("AR(0.6)", samples=20)]
    assert sum(found) <= 4


def test_noise_that_shrinks_does_not_oscillate():
    found = [oscillation(s * np.linspace(3, 1, 500)).oscillates for s in noise("AR(0.6)", samples=20)]
    assert sum(found) <= 4


def test_a_pure_cycle_turns_twice_in_each_period():
    found = oscillation(cycles(600, 30, 1.0)[0])
    assert found.oscillates and found.turns == pytest.approx(40, abs=2)
    assert found.p_value == 1 / 200
    assert str(found).startswith(f"{found.turns} turns, ")


def test_only_the_order_and_the_seed_count():
    series = noise("AR(0.6)")[0]
    assert oscillation(series) == oscillation(np.exp(series))
    assert oscillation(series, seed=1).p_value != oscillation(series, seed=2).p_value


@pytest.mark.parametrize(
    "values, message",
    [
        (np.arange(59.0), "59 values: expected at least 60"),
        (np.full(60, np.inf), "all finite"),
        (np.zeros(60), "all values are 0"),
    ],
)
def test_what_cannot_be_judged_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        oscillation(values)
