"""hw2 bench sampling: what it counts, what it extrapolates, what it says when a peer is missing."""

import json
import re

import pytest
from typer.testing import CliRunner

from hw2lib.benchmarks import peers, sampling
from hw2lib.benchmarks.sampling import bench_sampling, interleaved_seconds
from hw2lib.cli import app

TINY = ["bench", "sampling", "--features", "24", "--hidden", "8", "--hidden", "8", "--repeats", "2"]


@pytest.fixture
def without_peers(monkeypatch):
    def missing(name):
        raise peers.PackageNotFoundError(name)

    monkeypatch.setattr(peers, "version", missing)


def by_method(result: dict, features: int) -> dict:
    return {row["method"]: row for row in result["rows"] if row["features"] == features}


def test_every_pass_of_the_naive_inverse_is_counted():
    rows = by_method(bench_sampling((24,), (8, 8), repeats=2, peers=False), 24)
    assert list(rows) == ["forward", "staged", "naive", "jacobi", "jacobi, trained"]
    assert (rows["naive"]["passes"], rows["naive"]["extrapolated"]) == (24, False)
    assert rows["forward"]["ratio_to_forward"] == 1.0
    assert rows["staged"]["note"] == "9 stages"
    for method in ("jacobi", "jacobi, trained"):
        assert 1 < rows[method]["passes"] <= 9 and rows[method]["note"] == "at most 9 passes"
    for method in ("staged", "naive", "jacobi", "jacobi, trained"):
        assert rows[method]["seconds"] > 0 and rows[method]["ratio_to_forward"] > 0
        assert rows[method]["round_trip_error"] < 1e-4


def test_beyond_its_limit_the_naive_inverse_is_passes_times_one_pass(monkeypatch):
    monkeypatch.setattr(sampling, "NAIVE_LIMIT", 10)
    monkeypatch.setattr(sampling.MAF, "inverse", refuse_naive(sampling.MAF.inverse))
    monkeypatch.setattr(sampling, "interleaved_seconds", constant_seconds)
    naive = by_method(bench_sampling((24,), (8, 8), repeats=2, peers=False), 24)["naive"]
    assert naive["extrapolated"] and naive["passes"] == 24 and naive["round_trip_error"] is None
    assert naive["seconds"] == pytest.approx(24 * 3.0)
    assert naive["ratio_to_forward"] == pytest.approx(24 * 3.0 / 2.0)


def refuse_naive(inverse):
    def checked(flow, u, method="staged"):
        assert method == "staged"
        return inverse(flow, u, method)

    return checked


def constant_seconds(calls, repeats):
    times = {"forward": 2.0, "staged": 4.0, "pass": 3.0}
    return {name: sampling.np.full(repeats, times[name]) for name in calls}


def test_calls_take_turns():
    order = []
    seconds = interleaved_seconds({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 3)
    assert "".join(order) == "ab" * 4  # the first round warms up
    assert {name: s.shape for name, s in seconds.items()} == {"a": (3,), "b": (3,)}


def test_a_missing_peer_is_said_to_be_missing(without_peers):
    rows = by_method(bench_sampling((6,), (4,), repeats=1), 6)
    assert [rows[name]["note"] for name in peers.PEERS] == ["not installed"] * 2
    assert rows["zuko"]["seconds"] is None


@pytest.mark.parametrize("name", peers.PEERS)
def test_peers_run_one_pass_per_dimension(name):
    pytest.importorskip(name)
    row = by_method(bench_sampling((12,), (8, 8), repeats=1), 12)[name]
    assert row["passes"] == 12 and not row["extrapolated"] and row["round_trip_error"] < 1e-4


def test_peers_are_left_out_beyond_their_limit(monkeypatch, without_peers):
    monkeypatch.setattr(sampling, "PEER_LIMIT", 5)
    result = bench_sampling((5, 6), (4,), repeats=1)
    assert "zuko" in by_method(result, 5) and "zuko" not in by_method(result, 6)


def test_the_command_prints_json(without_peers):
    outcome = CliRunner().invoke(app, [*TINY, "--features", "16", "--json"])
    assert outcome.exit_code == 0
    result = json.loads(outcome.stdout)
    assert result["hidden_features"] == [8, 8] and result["batch"] == 1
    assert {row["features"] for row in result["rows"]} == {24, 16}
    assert all(set(row) >= {"method", "seconds", "passes", "extrapolated"} for row in result["rows"])


def test_the_command_prints_a_table(without_peers):
    outcome = CliRunner().invoke(app, [*TINY, "--no-peers"])
    assert outcome.exit_code == 0
    assert re.search(r"24 │ staged", outcome.stdout) and "zuko" not in outcome.stdout


def test_a_size_of_zero_is_refused():
    outcome = CliRunner().invoke(app, ["bench", "sampling", "--features", "0"])
    assert outcome.exit_code == 2 and "--features" in outcome.output
