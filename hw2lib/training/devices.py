"""Where a run takes place, and what that place offers."""

import os
import shutil
from importlib.util import find_spec

import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins.environments import LightningEnvironment
from lightning.fabric.strategies import SingleDeviceStrategy
from lightning.fabric.utilities.rank_zero import _get_rank

from hw2lib.errors import UserError

from .settings import CycleGANConfig

DEVICES = ("auto", "cpu", "cuda")


def resolve_device(name: str) -> torch.device:
    """The device of that name; ``auto`` is CUDA where there is one, and the CPU elsewhere.

    Apple's ``mps`` is never taken: it has no float64, which densities and scores are summed in.

    Raises:
        UserError: another name, or ``cuda`` where there is none.
    """
    if name not in DEVICES:
        raise UserError(f"--device {name}: expected {', '.join(DEVICES[:-1])} or {DEVICES[-1]}")
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise UserError("--device cuda: no CUDA device is available")
    return torch.device("cuda" if name != "cpu" and available else "cpu")


def fabric_on(device: str, devices: int = 1, strategy: str = "auto") -> Fabric:
    """Lightning's Fabric on the device that :func:`resolve_device` names, launched.

    A single device is given whole: Fabric would else look for a cluster (SLURM, MPI, LSF), and refuse to run
    in a job of several tasks.

    Args:
        device: ``auto``, ``cpu`` or ``cuda``.
        devices: how many; each is of a process of its own, which Fabric starts.
        strategy: how several share the work: ``auto``, or ``ddp``, Fabric's.

    Raises:
        UserError: there are not so many devices, or Fabric does not offer the strategy on them.
    """
    place = resolve_device(device)
    if place.type == "cuda" and devices > torch.cuda.device_count():
        raise UserError(f"--devices {devices}: there are {torch.cuda.device_count()} CUDA devices")
    if strategy not in ("auto", "ddp"):
        # Of fsdp a process has parts of the weights only, and a checkpoint of them would be none.
        raise UserError(f"--strategy {strategy}: expected auto or ddp; each device holds the whole model")
    if devices == 1 and strategy == "auto":
        index = torch.device("cuda", 0) if place.type == "cuda" else place
        alone = SingleDeviceStrategy(index)
        fabric = Fabric(accelerator=place.type, strategy=alone, plugins=[LightningEnvironment()])
    else:
        try:
            fabric = Fabric(accelerator=place.type, devices=devices, strategy=strategy)
        except ValueError as error:
            raise UserError(f"--strategy {strategy}: {error}") from error
    fabric.launch()
    return fabric


def is_first_process(devices: int) -> bool:
    """Whether this process is the first of those that train together; known before Fabric starts them."""
    return devices == 1 or _get_rank() in (None, 0)


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether the hardware multiplies in bfloat16; a CPU that imitates it takes forty times as long."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def compiles(device: torch.device) -> bool:
    """Whether ``torch.compile`` can make kernels for a GPU: by Triton, which asks for a C compiler."""
    if device.type != "cuda" or torch.cuda.get_device_capability(device) < (7, 0):
        return False
    compiler = os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")
    return find_spec("triton") is not None and compiler is not None


def gpu_settings(config: CycleGANConfig, device: torch.device) -> CycleGANConfig:
    """The settings with what shortens a step, as far as this device offers it; see :func:`settings_where`."""
    return settings_where(config, device.type == "cuda", multiplies_bfloat16(device), compiles(device))


def settings_where(config: CycleGANConfig, cuda: bool, bfloat16: bool, compiled: bool) -> CycleGANConfig:
    """The settings on a GPU or a CPU that offers bfloat16 and compilation or not; what was chosen stays.

    A GPU is spared its waiting for the CPU, which takes most of its time at batch 1; an epoch takes it
    seconds, and each ends with a checkpoint, so there is none within.
    """
    offered: dict[str, bool | int] = {"bfloat16": bfloat16}
    if cuda:
        offered |= {"compile": compiled, "cuda_graphs": True, "checkpoint_every": 100_000}
    free = {name: value for name, value in offered.items() if name not in config.model_fields_set}
    return config.model_copy(update=free)
