"""Random numbers that follow from a seed, beside those of the caller."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded_init(seed: int) -> Iterator[None]:
    """Weights that are drawn inside follow from the seed; the caller's random numbers go on untouched."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
