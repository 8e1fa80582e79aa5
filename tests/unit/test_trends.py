"""Trends with a known answer, and a rule that keeps its promise on noise that has a memory."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau

from hw2lib.statistics.red_noise import RedNoise
from hw2lib.statistics.trends import trend

# Lengths of the recorded losses: the whole training, and its second half.
NULLS = {
    "white noise": (RedNoise(0.0, 0.0), 1000),
    "AR(0.6)": (RedNoise(0.6, 1.0), 1000),
    "AR(0.95) with noise": (RedNoise(0.95, 0.5), 1000),
    "AR(0.95) with noise, whole": (RedNoise(0.95, 0.5), 2000),
}


def noise(n, memory, seed):
    return RedNoise(memory, 1.0).draw(n, 1, np.random.default_rng(seed))[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", NULLS)
def test_one_series_in_twenty_without_a_trend_is_said_to_have_one(name):
    """3 to 7 % of 2,000 series, whose share strays by half a per cent at one standard error."""
    colour, n = NULLS[name]
    series = colour.draw(n, 2000, np.random.default_rng(7))
    assert 0.03 <= np.mean([trend(s).direction != "neither" for s in series]) <= 0.07


def test_intervals_for_independent_pairs_would_see_trends_everywhere():
    series = RedNoise(0.95, 0.5).draw(1000, 100, np.random.default_rng(7))
    steps = np.arange(1000)
    assert np.mean([kendalltau(steps, s).pvalue < 0.05 for s in series]) >= 0.4


@pytest.mark.parametrize("sign, direction", [(1, "rises"), (-1, "falls")])
def test_a_drift_of_half_a_standard_deviation_is_found(sign, direction):
    drift = sign * np.linspace(0, 0.5, 2000)
    found = [trend(drift + noise(2000, 0.6, seed)).direction for seed in range(60)]
    assert found.count(direction) >= 36  # four in five are expected
    assert not set(found) - {direction, "neither"}


def test_a_loss_that_falls_fast_at_first_and_then_stays_is_found_to_fall():
    fall = np.exp(-8 * np.linspace(0, 1, 2000))
    found = [trend(fall + noise(2000, 0.6, seed)).direction for seed in range(40)]
    assert found.count("falls") >= 28  # nine in ten are expected


def test_a_monotone_series_has_no_doubt():
    found = trend(-(np.arange(60.0) ** 3))
    assert (found.tau, found.low, found.high) == pytest.approx((-1, -1, -1))
    assert str(found) == "-1.00 [-1.00, -1.00]"


def test_a_swing_is_no_trend():
    assert trend(np.sin(np.linspace(0, 12 * np.pi, 240))).direction == "neither"


def test_intervals_cover_the_tau_of_a_line_in_noise():
    def series(seed):
        return np.linspace(0, 2, 600) + noise(600, 0.6, seed)

    truth = np.mean([kendalltau(np.arange(600), series(seed)).statistic for seed in range(1000, 1300)])
    found = [trend(series(seed)) for seed in range(80)]
    assert np.mean([f.low <= truth <= f.high for f in found]) >= 0.88
    assert np.mean([f.high - f.low for f in found]) <= 0.25


@settings(max_examples=20)
@given(st.lists(st.integers(-50, 50), min_size=20, max_size=60, unique=True))
def test_only_the_order_of_the_values_counts(values):
    series = np.array(values, dtype=float)
    first, stretched, mirrored = (trend(s) for s in (series, np.exp(series / 10), -series))
    assert first == stretched
    assert first.tau == pytest.approx(kendalltau(np.arange(len(series)), series).statistic)
    assert (mirrored.tau, mirrored.low) == pytest.approx((-first.tau, -first.high), abs=1e-4)


def test_twenty_thousand_values_with_equal_ones_among_them():
    series = RedNoise(0.9, 0.5).draw(20_000, 1, np.random.default_rng(0))[0].round(1)
    found = trend(series)
    assert found.direction == "neither" and found.high - found.low < 0.15


@pytest.mark.parametrize(
    "values, message",
    [
        (np.arange(19.0), "19 values: expected at least 20"),
        (np.full(30, np.nan), "all finite"),
        (np.full(30, 2.5), "all values are 2.5"),
    ],
)
def test_what_cannot_be_judged_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        trend(values)


# The colour of noise


@pytest.mark.parametrize("memory, share", [(0.6, 1.0), (0.95, 0.5), (0.98, 0.3)])
def test_the_colour_is_found_again(memory, share):
    drawn = RedNoise(memory, share).draw(4000, 5, np.random.default_rng(1))
    found = [RedNoise.fit(series) for series in drawn]
    assert np.median([f.memory for f in found]) == pytest.approx(memory, abs=0.05)
    assert np.median([f.share for f in found]) == pytest.approx(share, abs=0.12)


def test_white_noise_has_a_flat_spectrum():
    found = RedNoise.fit(np.random.default_rng(2).standard_normal(4000))
    spectrum = found.spectrum(np.linspace(0, np.pi, 50))
    assert spectrum.max() / spectrum.min() < 1.3
    assert RedNoise.fit(np.zeros(40)) == RedNoise(0.0, 0.0)


def test_drawn_series_have_the_autocorrelation_of_their_colour():
    drawn = RedNoise(0.8, 0.5).draw(40, 40_000, np.random.default_rng(3))
    assert drawn.var(0) == pytest.approx(np.ones(40), abs=0.05)
    for lag in (1, 2, 5):
        found = np.mean(drawn[:, lag:] * drawn[:, :-lag])
        assert found == pytest.approx(0.5 * 0.8**lag, abs=0.01)
