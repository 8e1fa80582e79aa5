"""CycleGAN in the plane and on tiny images: the same losses and step, many trainings at once."""

from .ablations import WinterRuns, both_directions, to_winter
from .domains import Blob, Domain, Ring, Scenes, rotation, sky_tint
from .measures import (
    energy_distance,
    input_correlation,
    merging_price,
    modes_covered,
    movement,
    nearest_mode,
    partners,
    realistic_share,
)
from .networks import StackedMLP
from .paired import fit_pairs, wrong_pairs
from .training import train

__all__ = [
    "Blob",
    "Domain",
    "Ring",
    "Scenes",
    "StackedMLP",
    "WinterRuns",
    "both_directions",
    "energy_distance",
    "fit_pairs",
    "input_correlation",
    "merging_price",
    "modes_covered",
    "movement",
    "nearest_mode",
    "partners",
    "realistic_share",
    "rotation",
    "sky_tint",
    "to_winter",
    "train",
    "wrong_pairs",
]
