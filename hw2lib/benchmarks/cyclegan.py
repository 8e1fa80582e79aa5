"""How long one training step of CycleGAN takes, beside the plain arrangement of the same step."""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import torch

from hw2lib.training.cyclegan import build_training
from hw2lib.training.devices import compiles, multiplies_bfloat16, resolve_device
from hw2lib.training.memory import keep_freed_memory
from hw2lib.training.settings import CycleGANConfig, validated

from .sampling import interleaved_seconds


@dataclass(frozen=True)
class StepRow:
    """One arrangement of the step.

    Attributes:
        arrangement: what was added to the arrangements above it.
        seconds: median time of a step.
        ratio_to_plain: median over rounds of the time divided by that of the plain step.
    """

    arrangement: str
    seconds: float
    ratio_to_plain: float


def bench_step(
    size: int = 128, blocks: int = 6, features: int = 64, repeats: int = 5, device: str = "auto"
) -> dict:
    """Time a step of batch 1, each arrangement in turn.

    ``plain``: float32, a call per batch and network. ``batched``: each network runs once on what it can see
    at once. ``cuda graphs`` and ``compiled``: on a GPU. ``bfloat16``, where the machine multiplies in it:
    the only one whose losses are not the plain ones but for rounding.

    Args:
        size: height and width of the images.
        blocks: residual blocks of a generator.
        features: channels after the first convolution.
        repeats: rounds in which the arrangements take turns.
        device: ``auto``, ``cpu`` or ``cuda``.

    Returns:
        A dictionary for JSON: the setting, and under ``rows`` one dictionary per :class:`StepRow`.
    """
    keep_freed_memory()
    place = resolve_device(device)
    x, y = (torch.rand(2, 1, 3, size, size, device=place) * 2 - 1).unbind()

    def arrangement(batched: bool = True, **options: bool) -> Callable[[], object]:
        settings = {"size": size, "blocks": blocks, "features": features}
        config = validated(CycleGANConfig, settings | options, "hw2 bench cyclegan:")
        step = build_training(config, place)
        step.batched = batched
        return lambda: float(step(x, y)["G_A"])  # a number, so that a GPU has finished

    arrangements, added = {"plain": arrangement(batched=False), "batched": arrangement()}, {}
    for name, option, offered in (
        ("cuda graphs", "cuda_graphs", place.type == "cuda"),
        ("bfloat16", "bfloat16", multiplies_bfloat16(place)),
        ("compiled", "compile", compiles(place)),
    ):
        if offered:
            added[option] = True
            arrangements[name] = arrangement(**added)
    seconds = interleaved_seconds(arrangements, repeats)
    rows = [
        StepRow(name, float(np.median(taken)), float(np.median(taken / seconds["plain"])))
        for name, taken in seconds.items()
    ]
    return {
        "size": size,
        "blocks": blocks,
        "features": features,
        "batch": 1,
        "device": place.type,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "repeats": repeats,
        "rows": [asdict(row) for row in rows],
    }
