"""One function decides where work is done, and a single device asks no cluster."""

from pathlib import Path

import pytest
import torch
from faults import cases, fault
from prose import ROOT

from hw2lib.data import load_mvtec
from hw2lib.errors import UserError
from hw2lib.jobs.maf import run_maf
from hw2lib.training.devices import fabric_on, resolve_device
from hw2lib.training.settings import MAFConfig

CLUSTERS = {
    "slurm": (
        "a job of several tasks under SLURM",
        "`SLURM_NTASKS=4`, `SLURM_JOB_NAME=job` and one device",
        {"SLURM_NTASKS": "4", "SLURM_JOB_NAME": "job", "SLURM_JOB_ID": "7", "SLURM_PROCID": "2"},
    ),
    "ntasks-per-node": (
        "a job of several tasks per node under SLURM",
        "`SLURM_NTASKS_PER_NODE=4` without `--ntasks`",
        {"SLURM_NTASKS_PER_NODE": "4", "SLURM_NTASKS": "8", "SLURM_JOB_NAME": "job", "SLURM_LOCALID": "3"},
    ),
    "lsf": (
        "a job of several hosts under LSF",
        "`LSB_JOBID` and `LSB_DJOB_RANKFILE` without a rank file",
        {
            "LSB_JOBID": "7",
            "LSB_DJOB_RANKFILE": "absent",
            "JSM_NAMESPACE_SIZE": "4",
            "JSM_NAMESPACE_RANK": "1",
        },
    ),
    "torchrun": (
        "a process of torchrun",
        "`RANK=1`, `WORLD_SIZE=4` and the like in the environment",
        {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "4", "GROUP_RANK": "0", "TORCHELASTIC_RUN_ID": "1"},
    ),
}
OUTCOME = "The run takes its one device, asks no cluster, and finishes."


@pytest.mark.parametrize("environment", cases("device", OUTCOME, CLUSTERS))
def test_a_single_device_asks_no_cluster(monkeypatch, environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    fabric = fabric_on("cpu")
    assert (fabric.world_size, fabric.global_rank, fabric.local_rank) == (1, 0, 0)
    assert fabric.is_global_zero and fabric.device == torch.device("cpu")


@fault(
    "device",
    "training within a job of several tasks",
    "`hw2 train maf` under `SLURM_NTASKS=4`",
    OUTCOME,
)
def test_training_under_slurm_finishes(tmp_path, category, monkeypatch):
    for name, value in CLUSTERS["slurm"][2].items():
        monkeypatch.setenv(name, value)
    config = MAFConfig(size=8, hidden_features=(8,), transforms=1, epochs=1, batch_size=9)
    assert run_maf(config, load_mvtec(category, 8), tmp_path / "run", device="cpu")


@fault(
    "device",
    "Apple silicon, whose `mps` has no float64",
    "`torch.backends.mps` says that it is available",
    "`auto` is the CPU, for every command.",
)
def test_apple_silicon_is_never_picked_by_accident(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    from lightning.fabric.accelerators import MPSAccelerator

    monkeypatch.setattr(MPSAccelerator, "is_available", staticmethod(lambda: True))
    assert resolve_device("auto").type == "cpu"
    assert fabric_on("auto").device.type == "cpu"


@fault(
    "device", "a device that is not here", "`--device cuda` without one, `--device mps`", "One line names it."
)
def test_devices_that_are_not_here_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="^--device cuda: no CUDA device is available$"):
        fabric_on("cuda")
    for name in ("mps", "tpu", "cuda:7", ""):
        with pytest.raises(UserError, match=f"^--device {name}: expected auto, cpu or cuda$"):
            resolve_device(name)


@fault(
    "device", "fewer devices than asked for", "`--devices 3` where there is one GPU", "One line counts them."
)
def test_devices_that_are_too_few_are_counted(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UserError, match="^--devices 3: there are 1 CUDA devices$"):
        fabric_on("cuda", 3)


def test_nothing_else_decides_the_device():
    """Not Fabric by itself, and no module beside devices.py."""
    deciding = [
        f"{path.relative_to(ROOT)}: {word}"
        for path in sorted(Path(ROOT, "hw2lib").rglob("*.py"))
        for word in ("Fabric(", "accelerator=", '"mps"', 'else "cpu"')
        if word in path.read_text("utf-8") and path.name != "devices.py"
    ]
    assert deciding == []
