"""Where a run takes place, and what that place offers."""

import os
import shutil
from importlib.util import find_spec

import torch

from .settings import CycleGANConfig


def resolve_device(name: str) -> torch.device:
    """``auto`` is CUDA where there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


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
    """The settings with what shortens a step, as far as this device offers it.

    That is bfloat16 where the hardware multiplies in it. A GPU is also spared its waiting for the CPU, which
    takes most of its time at batch 1; an epoch takes it seconds, and each ends with a checkpoint, so there is
    none within.
    """
    offered: dict[str, bool | int] = {"bfloat16": multiplies_bfloat16(device)}
    if device.type == "cuda":
        offered |= {"compile": compiles(device), "cuda_graphs": True, "checkpoint_every": 100_000}
    return config.model_copy(update=offered)
