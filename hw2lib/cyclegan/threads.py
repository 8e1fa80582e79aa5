"""Torch's own threads for a compiled loop.

A second pool of threads would fight with torch's for the processors, whose idle threads keep them busy for
milliseconds while they wait for the next piece of work. So a loop is run by the OpenMP runtime that torch
has loaded, if it is GNU's, and by Python's threads elsewhere.
"""

import ctypes
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import torch

_SHARE = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


def share_out(work: Callable[[int, int], None], parts: int) -> None:
    """Call work(lo, hi) for ranges that make up 0 … parts−1, one per thread of torch.

    Args:
        work: releases Python's lock while it computes; its calls share nothing that they write.
        parts: how many pieces the work has.

    Raises:
        Whatever the work raises.
    """
    threads = min(torch.get_num_threads(), parts)
    if threads < 2:
        work(0, parts)
        return
    failures: list[BaseException] = []

    def share(k: int, of: int) -> None:
        try:
            work(parts * k // of, parts * (k + 1) // of)
        except BaseException as failure:  # a C caller would swallow it
            failures.append(failure)

    if (runtime := _openmp()) is None:
        list(_pool().map(share, range(threads), [threads] * threads))
    else:
        # The runtime may give fewer threads than it was asked for.
        mine = _SHARE(lambda _: share(runtime.omp_get_thread_num(), runtime.omp_get_num_threads()))
        runtime.GOMP_parallel(mine, None, threads, 0)
    if failures:
        raise failures[0]


def run_loop(loop: Callable, parts: int, *given: torch.Tensor | int) -> None:
    """Share out loop(*given, lo, hi), compiled by Numba, which sees arrays instead of tensors."""
    arrays = [value.detach().numpy() if isinstance(value, torch.Tensor) else value for value in given]
    share_out(lambda lo, hi: loop(*arrays, lo, hi), parts)


def on_plain_cpu(x: torch.Tensor) -> bool:
    """Whether x is float32 or float64 on a CPU, and stays so: what the compiled loops take."""
    plain = x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64)
    return plain and not torch.is_autocast_enabled("cpu")


@lru_cache
def _openmp() -> ctypes.CDLL | None:
    """GNU's OpenMP runtime as torch has loaded it for everybody, if it has."""
    loaded = ctypes.CDLL(None) if sys.platform == "linux" else None
    if not hasattr(loaded, "GOMP_parallel"):
        return None
    loaded.GOMP_parallel.argtypes = (_SHARE, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
    loaded.GOMP_parallel.restype = None
    return loaded


@lru_cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_name_prefix="share_out")
