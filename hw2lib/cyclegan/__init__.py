"""CycleGAN: networks, image pool, losses, training step."""

from .losses import adversarial_loss, cycle_loss, identity_loss
from .networks import (
    InstanceNorm,
    PatchDiscriminator,
    ResidualBlock,
    ResnetGenerator,
    UnetGenerator,
    init_weights,
    receptive_field,
)
from .pool import ImagePool
from .step import TERMS, CycleGAN, Objective, TrainingStep, discriminator_loss, generator_losses

__all__ = [
    "TERMS",
    "CycleGAN",
    "ImagePool",
    "InstanceNorm",
    "Objective",
    "PatchDiscriminator",
    "ResidualBlock",
    "ResnetGenerator",
    "TrainingStep",
    "UnetGenerator",
    "adversarial_loss",
    "cycle_loss",
    "discriminator_loss",
    "generator_losses",
    "identity_loss",
    "init_weights",
    "receptive_field",
]
