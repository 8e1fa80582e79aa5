"""Memory: keep what is freed, and know the peak."""

import ctypes
import platform
import resource
import sys

import torch

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


def keep_freed_memory() -> bool:
    """Ask glibc to reuse freed memory instead of returning it to the system.

    A full-size training step frees and takes a gigabyte of gradients. By default each of these blocks
    is unmapped and mapped anew, and the kernel clears every page again: about a quarter of the step.

    Returns:
        True where the C library is glibc and took the settings.
    """
    if sys.platform != "linux" or platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    return bool(libc.mallopt(_M_MMAP_MAX, 0) and libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1))


def peak_memory_gb() -> float:
    """The largest resident size of this process so far, in gigabytes (10⁹ bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e9 if sys.platform == "darwin" else peak * 1024 / 1e9


def peak_gpu_memory_gb() -> float:
    """The most that torch has held of the current GPU's memory so far, in gigabytes (10⁹ bytes)."""
    return torch.cuda.max_memory_reserved() / 1e9
