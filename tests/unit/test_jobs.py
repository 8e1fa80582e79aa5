"""Recorded runs by name: what is done, what is skipped, and what is refused before anything runs."""

import json

import pytest

from hw2lib.errors import UserError
from hw2lib.training import jobs
from hw2lib.training.report import RECORDED_FILES
from hw2lib.training.runs import write_json


@pytest.fixture
def job(monkeypatch, tmp_path):
    """A job of two seeds whose runs are one small file; stops at the seeds in ``stops``."""
    calls, stops = [], set()

    def run(profile, seed, data, out, device):
        calls.append((profile, seed, data, device))
        if seed in stops:
            return False
        out.mkdir(parents=True)
        write_json(out / "metrics.json", {"seed": seed})
        return True

    monkeypatch.setattr(jobs, "JOBS", {"small": jobs.Job((0, 1), "sets/small", ("metrics.json",), run)})
    monkeypatch.setenv("HW2_RESULTS", str(tmp_path / "paper"))
    return calls, stops


def test_reproducing_records_each_seed_and_skips_finished_ones(job, tmp_path):
    calls, _ = job
    lines = list(jobs.reproduce_jobs("paper", None, tmp_path / "data", tmp_path / "runs", "cpu"))
    assert calls == [("paper", seed, tmp_path / "data" / "sets/small", "cpu") for seed in (0, 1)]
    assert [json.loads(p.read_text()) for p in sorted((tmp_path / "paper").rglob("metrics.json"))] == [
        {"seed": 0},
        {"seed": 1},
    ]
    assert len(lines) == 2 and all(line.endswith("finished") for line in lines)
    list(jobs.reproduce_jobs("paper", ["small"], tmp_path / "data", tmp_path / "runs", "cpu"))
    assert len(calls) == 2


def test_an_interrupt_stops_the_row_of_runs(job, tmp_path):
    calls, stops = job
    stops.add(0)
    lines = list(jobs.reproduce_jobs("quick", None, None, tmp_path / "runs", "cpu"))
    assert len(calls) == 1 and len(lines) == 1 and "the same command goes on" in lines[0]
    assert not (tmp_path / "paper").exists()


@pytest.mark.parametrize(
    "profile, only, message",
    [
        ("quick", ["large"], "--only large: expected one of small"),
        ("big", None, "profile 'big'"),
        ("paper", None, "--profile paper: needs --data"),
    ],
)
def test_wrong_jobs_are_named_before_anything_runs(job, tmp_path, profile, only, message):
    with pytest.raises(UserError, match=message):
        list(jobs.reproduce_jobs(profile, only, None, tmp_path / "runs", "cpu"))
    assert not job[0] and not (tmp_path / "runs").exists()


def test_the_recorded_job_covers_five_seeds_of_the_capsules():
    job = jobs.JOBS["maf-capsule"]
    assert len(set(job.seeds)) >= 5 and job.data == "mvtec/capsule" and job.files == RECORDED_FILES
