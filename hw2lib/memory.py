"""How much memory there is, asked before something is built that could never fit."""

import os
from contextlib import suppress
from pathlib import Path

from .errors import UserError


def machine_bytes() -> int | None:
    """What this process may use at most: memory and swap, within its control group; None if unknown."""
    with suppress(OSError, ValueError, KeyError):
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
        total = sizes["MemTotal"] + sizes["SwapTotal"]
        with suppress(OSError, ValueError):  # "max", or no such file, is no limit
            total = min(total, int(Path("/sys/fs/cgroup/memory.max").read_text("ascii")) + sizes["SwapTotal"])
        return total
    with suppress(AttributeError, OSError, ValueError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def require_memory(needed: int, what: str) -> None:
    """UserError where ``what`` needs more bytes than the machine has.

    Args:
        needed: a lower bound, so that nothing which would fit is refused.
        what: the option or the settings that ask for it.
    """
    there = machine_bytes()
    if there is not None and needed > there:
        amounts = f"at least {needed / 1e9:,.1f} GB of memory; this machine has {there / 1e9:,.1f} GB"
        raise UserError(f"{what}: would need {amounts}")
