"""Trends with a known answer, and intervals that keep their promise on autocorrelated noise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter
from scipy.stats import kendalltau

from hw2lib.statistics.trends import block_length, trend


def noise(n, memory, seed):
    """An autoregressive series of first order in its stationary state."""
    drawn = np.random.default_rng(seed).standard_normal(n + 200)
    return lfilter([1], [1, -memory], drawn)[200:]


@pytest.mark.parametrize("sign, direction", [(1, "rises"), (-1, "falls")])
def test_a_trend_under_correlated_noise_is_found(sign, direction):
    series = sign * np.linspace(0, 8, 200) + noise(200, 0.7, 0)
    found = trend(series, resamples=100)
    assert found.direction == direction and found.low <= found.tau <= found.high
    assert found.tau == pytest.approx(kendalltau(np.arange(200), series).statistic)


def test_a_monotone_series_has_no_doubt():
    found = trend(-(np.arange(60.0) ** 3), resamples=50)
    assert (found.tau, found.low, found.high) == pytest.approx((-1, -1, -1))
    assert str(found) == "-1.00 [-1.00, -1.00]"


def test_a_swing_is_no_trend():
    assert trend(np.sin(np.linspace(0, 12 * np.pi, 240)), resamples=100).direction == "neither"


def test_intervals_cover_nought_where_there_is_no_trend_and_single_pairs_do_not():
    """95 % is the promise; of so short a series blocks keep most of it, single pairs half of it."""
    series = [noise(300, 0.8, seed) for seed in range(40)]
    blocks = np.mean([trend(s, resamples=80).direction == "neither" for s in series])
    pairs = np.mean([trend(s, resamples=80, block=1).direction == "neither" for s in series])
    assert blocks >= 0.75 and pairs <= 0.6


def test_intervals_cover_the_tau_of_a_line_in_noise():
    def series(n, seed):
        return np.linspace(0, 2, n) + noise(n, 0.5, seed)

    truth = np.mean([kendalltau(np.arange(150), series(150, seed)).statistic for seed in range(1000, 1400)])
    found = [trend(series(150, seed), resamples=80) for seed in range(40)]
    assert np.mean([f.low <= truth <= f.high for f in found]) >= 0.8


@settings(max_examples=20)
@given(st.lists(st.integers(-50, 50), min_size=20, max_size=60, unique=True), st.integers(0, 3))
def test_only_the_order_of_the_values_counts(values, seed):
    series = np.array(values, dtype=float)
    first, stretched = (trend(s, resamples=20, seed=seed) for s in (series, np.exp(series / 10)))
    mirrored = trend(-series, resamples=20, seed=seed)
    assert first == stretched
    assert (mirrored.tau, mirrored.low) == pytest.approx((-first.tau, -first.high), abs=1e-9)


def test_blocks_grow_with_the_memory():
    lengths = [np.median([block_length(noise(800, m, s)) for s in range(9)]) for m in (0.0, 0.5, 0.9)]
    assert lengths[0] <= 4 < lengths[1] < lengths[2] <= 3 * np.sqrt(800) + 1
    assert block_length(np.zeros(40)) == 1


@pytest.mark.parametrize(
    "values, block, message",
    [
        (np.arange(19.0), None, "19 values: expected at least 20"),
        (np.full(30, np.nan), None, "all finite"),
        (np.full(30, 2.5), None, "all values are 2.5"),
        (np.arange(30.0), 16, "block=16: expected 1 to 15"),
        (np.arange(30.0), 0, "block=0"),
    ],
)
def test_what_cannot_be_judged_is_refused(values, block, message):
    with pytest.raises(ValueError, match=message):
        trend(values, block=block)
