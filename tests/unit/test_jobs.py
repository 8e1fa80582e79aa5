"""Recorded runs by name: what is done, what is skipped, and what is refused before anything runs."""

import inspect
import json

import pytest
import torch

from hw2lib.errors import UserError
from hw2lib.jobs import reproduce as jobs
from hw2lib.jobs.baselines import BASELINES_PROFILES
from hw2lib.jobs.flow_reconstruction import FLOW_RECONSTRUCTION_PROFILES
from hw2lib.jobs.local import PROFILES as LOCAL_PROFILES
from hw2lib.jobs.maf import RECORDED_FILES
from hw2lib.runs.folder import write_json
from hw2lib.runs.manifest import checksums, read_manifest
from hw2lib.runs.paths import is_from_uncommitted_code
from hw2lib.training import devices
from hw2lib.training.settings import CYCLEGAN_PROFILES, PROFILES, VAE_PROFILES, CycleGANConfig

# What each job runs, and the profiles of its settings.
RUNS = {
    "maf-capsule": ("run_maf", PROFILES),
    **{name: ("run_maf", PROFILES) for name in jobs.MAF_VARIANTS},
    "vae-capsule": ("run_vae", VAE_PROFILES),
    "baselines-capsule": ("run_baselines", BASELINES_PROFILES),
    "pixels-capsule": ("run_pixel_comparison", BASELINES_PROFILES),
    "likelihood-capsule": ("run_likelihood", PROFILES),
    "samples-capsule": ("run_sample_variation", PROFILES),
    "flow-reconstruction-capsule": ("run_flow_reconstruction", FLOW_RECONSTRUCTION_PROFILES),
    "local-capsule-256": ("run_local", LOCAL_PROFILES),
    "local-capsule-128": ("run_local", LOCAL_PROFILES),
    "local-ablations-capsule": ("run_local_ablations", LOCAL_PROFILES),
    "local-places-capsule": ("run_local_places", LOCAL_PROFILES),
    **{name: ("run_cyclegan", CYCLEGAN_PROFILES) for name in jobs.JOBS if name.startswith("cyclegan-")},
}
RESUMED = ("run_maf", "run_vae", "run_cyclegan")
READERS = ("load_capsules", "load_pair")


@pytest.fixture
def job(monkeypatch, tmp_path):
    """A job of two seeds whose runs are two small files; stops at the seeds in ``stops``."""
    calls, stops = [], set()

    def run(profile, seed, data, out, devices):
        calls.append((profile, seed, data, devices))
        if seed in stops:
            return False
        out.mkdir(parents=True)
        write_json(out / "environment.json", {"commit": jobs.commit()})
        write_json(out / "metrics.json", {"seed": seed})
        return True

    monkeypatch.setattr(jobs, "JOBS", {"small": jobs.Job((0, 1), "sets/small", ("metrics.json",), run)})
    monkeypatch.setattr(jobs, "commit", lambda: "58e1d6f90e19")
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
    assert read_manifest(tmp_path / "paper") == checksums(tmp_path / "paper")


def test_a_record_is_made_from_committed_code_or_says_that_it_is_not(job, tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "commit", lambda: "58e1d6f90e19-dirty")
    paper = ("paper", None, tmp_path / "data", tmp_path / "runs")
    with pytest.raises(UserError, match="uncommitted changes"):
        list(jobs.reproduce_jobs(*paper))
    assert not job[0]
    assert len(list(jobs.reproduce_jobs(*paper, allow_dirty=True))) == 2
    records = {
        path.parent.relative_to(tmp_path).as_posix() for path in tmp_path.glob("paper/**/metrics.json")
    }
    assert records == {f"paper/marked/small/seed-{seed}" for seed in (0, 1)}
    assert len(list(jobs.reproduce_jobs("quick", *paper[1:]))) == 2
    (tmp_path / "runs" / "small" / "seed-1" / "environment.json").unlink()
    with pytest.raises(UserError, match="seed-1: the run has no environment.json"):
        list(jobs.reproduce_jobs(*paper, allow_dirty=True))


@pytest.mark.parametrize(
    "made, expected",
    [
        ({"commit": "d" * 12}, False),
        ({"commit": "d" * 12 + "-dirty"}, True),
        ({"commit": None}, True),
        ({"commit": "d" * 12, "resumed": [{"commit": "b" * 12}]}, False),
        ({"commit": "d" * 12, "resumed": [{"commit": "b" * 12 + "-dirty"}, {"commit": "c" * 12}]}, True),
    ],
)
def test_a_run_is_from_uncommitted_code_if_any_part_of_it_is(tmp_path, made, expected):
    write_json(tmp_path / "environment.json", made)
    assert is_from_uncommitted_code(tmp_path) is expected


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


def test_the_variants_of_the_flow_differ_from_the_table_in_what_the_protocol_says():
    table = PROFILES["paper"]
    changed = {name: variant(table) for name, variant in jobs.MAF_VARIANTS.items()}
    end = changed.pop("maf-capsule-end")
    assert end["epochs"] == 500
    assert end["evaluate_epochs"] == (*table.evaluate_epochs, *range(60, 501, 10))
    assert changed == {
        "maf-capsule-three-layers": {"hidden_features": (512, 512, 512)},
        "maf-capsule-unclipped": {"clip_norm": 1e30},
        "maf-capsule-undequantized": {"dequantize": False},
    }
    assert [len(jobs.JOBS[name].seeds) for name in jobs.MAF_VARIANTS] == [5, 5, 1, 1]


# What the jobs hand on


@pytest.fixture
def handed_on(monkeypatch):
    """Calls of what trains, judges and reads images, as (name, arguments by name); nothing is run."""
    calls = []

    def record(name):
        signature = inspect.signature(getattr(jobs, name))

        def recorder(*arguments, **named):
            bound = signature.bind(*arguments, **named)
            bound.apply_defaults()
            if name in READERS:
                return name, bound.arguments
            calls.append((name, bound.arguments))
            return True

        monkeypatch.setattr(jobs, name, recorder)

    for name in {run for run, _ in RUNS.values()} | {"evaluate_run", *READERS}:
        record(name)
    return calls


# What needs no settings of a training; tests/unit/test_toys.py has their tests.
SMALL = {"photographs-grid", "toy-geometry", "toy-moves"}


def test_no_job_is_left_out():
    assert RUNS.keys() | SMALL | {"local-selection"} == jobs.JOBS.keys()
    # hw2 verify holds a record's settings against these; those of local-selection are what it finds.
    assert [name for name, job in jobs.JOBS.items() if not job.settings] == ["local-selection"]


def test_the_selection_of_settings_is_given_a_folder_and_reads_it_by_itself(monkeypatch, tmp_path):
    calls = []
    monkeypatch.setattr(jobs, "run_local_selection", lambda *arguments: calls.append(arguments) or True)
    assert jobs.JOBS["local-selection"].run("quick", 3, tmp_path / "set", tmp_path / "out", "cpu")
    assert calls == [("quick", 3, tmp_path / "set", tmp_path / "out")]


@pytest.mark.parametrize("begun", [False, True], ids=["new", "begun"])
@pytest.mark.parametrize("name", RUNS)
def test_a_job_hands_on_seed_folder_device_and_whether_to_resume(handed_on, tmp_path, name, begun):
    run, profiles = RUNS[name]
    out = tmp_path / name / "seed-2"
    expected = profiles["quick"].model_copy(update={"seed": 2})
    if name in jobs.MAF_VARIANTS:
        expected = expected.model_copy(update=jobs.MAF_VARIANTS[name](expected))
    variant = name.removeprefix("cyclegan-apple2orange-").removeprefix("small-")
    expected = expected.model_copy(update=jobs.CYCLEGAN_VARIANTS.get(variant, {}))
    if begun:
        out.mkdir(parents=True)
        (out / "checkpoint.safetensors").touch()
        if run == "run_cyclegan":  # goes on in the precision that it was begun in
            expected = expected.model_copy(update={"bfloat16": True})
            write_json(out / "config.json", expected.model_dump())
    assert jobs.JOBS[name].run("quick", 2, None, out, "cpu")
    called, arguments = handed_on[-1]
    assert called == run and arguments["out"] == out
    assert arguments["config"] == expected and arguments["config"].seed == 2
    if run in RESUMED:
        assert arguments["resume"] is begun
    if "device" in arguments:
        assert arguments["device"] == "cpu"
    else:
        without = ("run_baselines", "run_pixel_comparison", "run_sample_variation")
        assert run in without, "these have nothing for a GPU"
    reader, wanted = arguments["data"]
    assert wanted["size"] == expected.size
    if run == "run_cyclegan":
        assert reader == "load_pair" and wanted["recipe"] == expected.recipe
        assert wanted["name"] == name.split("-")[1]
    else:
        assert reader == "load_capsules"
    assert wanted["folder"] is None


@pytest.mark.parametrize("name", RUNS)
def test_a_job_reads_the_folder_that_it_is_given(handed_on, tmp_path, name):
    assert jobs.JOBS[name].run("quick", 0, tmp_path / "set", tmp_path / "runs" / "seed-0", "cpu")
    for _, arguments in handed_on:
        reader, wanted = arguments["data"]
        assert reader == ("load_pair" if name.startswith("cyclegan-") else "load_capsules")
        assert wanted["folder"] == tmp_path / "set" and wanted["size"] == arguments["config"].size


def test_the_comparison_of_pixels_trains_its_flow_on_the_same_seed(handed_on, tmp_path):
    jobs.JOBS["pixels-capsule"].run("quick", 2, None, tmp_path / "pixels-capsule-quick" / "seed-2", "cpu")
    (first, flow), (second, pixels) = handed_on
    assert (first, second) == ("run_maf", "run_pixel_comparison")
    assert flow["out"] == pixels["flow_run"] == tmp_path / "maf-capsule-quick" / "seed-2"
    assert flow["config"].seed == pixels["config"].seed == 2


def test_the_scores_in_place_of_the_likelihood_are_those_of_the_flow_of_the_same_seed(handed_on, tmp_path):
    jobs.JOBS["likelihood-capsule"].run(
        "quick", 3, None, tmp_path / "likelihood-capsule-quick" / "seed-3", "cpu"
    )
    (first, flow), (second, scores) = handed_on
    assert (first, second) == ("run_maf", "run_likelihood")
    assert flow["out"] == scores["flow_run"] == tmp_path / "maf-capsule-quick" / "seed-3"
    assert flow["config"] == scores["config"]
    assert flow["device"] == "cpu" and flow["resume"] is False


@pytest.fixture
def gpu(monkeypatch):
    """Pretends that there is a GPU, and returns what can be set of it."""
    offers = {"capability": (9, 0), "bf16": True, "gcc": "/usr/bin/gcc", "triton": True}
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: offers["capability"])
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: offers["bf16"])
    monkeypatch.setattr(devices.shutil, "which", offers.get)
    monkeypatch.setattr(devices, "find_spec", lambda name: offers[name] or None)
    return offers


@pytest.mark.parametrize("name", ["cyclegan-apple2orange", "cyclegan-summer2winter"])
@pytest.mark.parametrize("multiplies", [False, True])
def test_a_paper_run_of_cyclegan_is_the_table_s_and_takes_what_a_device_offers(
    handed_on, gpu, monkeypatch, tmp_path, name, multiplies
):
    for instructions in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, instructions, lambda: multiplies)

    def settings(profile: str, place: str) -> CycleGANConfig:
        assert jobs.JOBS[name].run(profile, 0, tmp_path / "set", tmp_path / "run", place)
        return handed_on[-1][1]["config"]

    paper = CYCLEGAN_PROFILES["paper"]
    assert settings("paper", "cpu") == paper.model_copy(update={"bfloat16": multiplies})
    found = settings("paper", "cuda")
    assert found.bfloat16 and found.compile and found.cuda_graphs
    only = {"bfloat16", "compile", "cuda_graphs", "checkpoint_every"}
    assert found.model_dump(exclude=only) == paper.model_dump(exclude=only)
    assert settings("quick", "cuda") == CYCLEGAN_PROFILES["quick"]


@pytest.mark.parametrize("variant", ["", *jobs.CYCLEGAN_VARIANTS])
def test_a_small_run_of_cyclegan_differs_in_its_size_and_in_one_thing_more(
    handed_on, monkeypatch, tmp_path, variant
):
    monkeypatch.setattr(jobs, "gpu_settings", lambda config, device: config)
    name = f"cyclegan-apple2orange-small-{variant}".removesuffix("-")
    assert jobs.JOBS[name].run("paper", 0, None, tmp_path / "run", "cpu")
    changed = {"size": 64, "features": 32} | jobs.CYCLEGAN_VARIANTS.get(variant, {})
    assert handed_on[-1][1]["config"] == CYCLEGAN_PROFILES["paper"].model_copy(update=changed)


def test_what_a_job_changes_is_not_what_a_device_offers(handed_on, gpu, tmp_path):
    job = jobs.JOBS["cyclegan-apple2orange-float32"]
    assert job.run("paper", 0, tmp_path / "set", tmp_path / "run", "cuda")
    found = handed_on[-1][1]["config"]
    assert found.cuda_graphs and found.compile and not found.bfloat16


@pytest.mark.parametrize("lack", [{"capability": (6, 1)}, {"gcc": None}, {"triton": False}])
def test_nothing_is_compiled_where_that_would_fail(gpu, lack):
    gpu |= lack
    assert not devices.compiles(torch.device("cuda"))


def test_a_compiler_that_the_environment_names_will_do(gpu, monkeypatch):
    gpu["gcc"] = None
    monkeypatch.setenv("CC", "tcc")
    assert devices.compiles(torch.device("cuda")) and not devices.compiles(torch.device("cpu"))


def test_a_gpu_that_imitates_bfloat16_is_spared_it(gpu):
    gpu["bf16"] = False
    found = devices.gpu_settings(CYCLEGAN_PROFILES["paper"], torch.device("cuda"))
    assert found.cuda_graphs and found.compile and not found.bfloat16


def test_a_cyclegan_run_that_ended_is_measured_and_not_trained_again(handed_on, tmp_path):
    write_json(tmp_path / "metrics.json", {})
    assert jobs.JOBS["cyclegan-apple2orange"].run("quick", 0, None, tmp_path, "cpu")
    ((called, arguments),) = handed_on
    assert called == "evaluate_run" and arguments["run"] == tmp_path and arguments["device"] == "cpu"
