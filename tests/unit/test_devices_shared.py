"""Two processes (gloo) that share each batch do what one does, and are one run to those who look at it."""

import os
import subprocess
import sys
from pathlib import Path

import checkpoints
import pytest
import torch
import two_processes

from hw2lib.errors import UserError
from hw2lib.jobs.cyclegan import run_cyclegan
from hw2lib.runs.folder import read_json

TESTS = Path(__file__).parents[1]


def start(*command: str | Path) -> subprocess.CompletedProcess:
    paths = [str(TESTS), str(TESTS.parent), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *map(str, command)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["maf", "cyclegan"])
def test_two_processes_have_the_gradients_of_one(model, tmp_path):
    """At the same batch: 3 images of the flow, which are shared unequally, and 2 pairs of CycleGAN."""
    expected = two_processes.gradients(model, tmp_path / "one", devices=1)
    done = start(TESTS / "two_processes.py", model, tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    found = torch.load(tmp_path / "gradients.pt", weights_only=True)
    assert len(found) == len(expected) == two_processes.STEPS * (2 if model == "cyclegan" else 1)
    for step, other in zip(expected, found, strict=True):
        assert step[0].dtype == torch.float64
        for a, b in zip(step, other, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
def test_the_command_trains_on_two_devices(tmp_path):
    """Fabric starts the second process; the first alone writes, and the run goes on with one device."""
    out = tmp_path / "run"
    (tmp_path / "hw2.py").write_text("from hw2lib.cli import main; main()")
    options = ["size=16", "channels=[4]", "latent=2", "batch_size=6", "epochs=2"]
    settings = [part for option in options for part in ("--set", option)]
    command = ["train", "vae", "--out", out, "--device", "cpu", "--devices", "2", "--strategy", "ddp"]
    done = start(tmp_path / "hw2.py", *command, *settings)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout == f"{out}: finished\n"
    assert checkpoints.progress(out)["epoch"] == 2 and len(read_json(out / "metrics.json")) > 3
    assert "resumed" not in read_json(out / "environment.json")


def test_what_cannot_be_shared_is_refused(tmp_path):
    config = two_processes.tiny_runs.MODELS["cyclegan"][1]
    images = two_processes.tiny_runs.images("cyclegan")
    with pytest.raises(UserError, match="--strategy fsdp: expected auto or ddp"):
        run_cyclegan(config, images, tmp_path / "run", device="cpu", devices=2, strategy="fsdp")
    assert not (tmp_path / "run").exists()
