"""CycleGAN: networks, image pool, losses, training step."""

from .losses import adversarial_loss, cycle_loss, identity_loss
from .narrow import NarrowConv, conv2d_by_columns
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
from .winograd import Conv3x3, winograd_conv2d

__all__ = [
    "TERMS",
    "Conv3x3",
    "CycleGAN",
    "ImagePool",
    "InstanceNorm",
    "NarrowConv",
    "Objective",
    "PatchDiscriminator",
    "ResidualBlock",
    "ResnetGenerator",
    "TrainingStep",
    "UnetGenerator",
    "adversarial_loss",
    "conv2d_by_columns",
    "cycle_loss",
    "discriminator_loss",
    "generator_losses",
    "identity_loss",
    "init_weights",
    "receptive_field",
    "winograd_conv2d",
]
