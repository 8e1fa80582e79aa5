"""What a run is made of: validated settings with two profiles, quick and paper."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal, Self, TypeVar, overload

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from hw2lib.errors import UserError

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
Weight = Annotated[float, Field(ge=0)]
# Seeds of single steps are made from it, and have to fit into 64 bits.
Seed = Annotated[int, Field(ge=0, lt=2**30)]
Settings = TypeVar("Settings", bound=BaseModel)


class MAFConfig(BaseModel):
    """Settings of a MAF run; the defaults are the report's table (Tab1.1).

    Attributes:
        size: height and width of the images in pixels; D = 3 · size².
        hidden_features: units of the hidden layers of each MADE.
        transforms: number of MADE blocks.
        batch_size: images per step.
        learning_rate: of Adam.
        epochs: passes over the training images.
        validation_fraction: share of the training images held out.
        seed: of the split, the weights, the order of the batches and the dequantisation noise.
        average_decay: d of the moving average of the weights, θ̄ ← d θ̄ + (1 − d) θ after each step.
        clip_norm: gradients whose norm is larger are scaled down to it, in nats per image.
        layout: how the weights are stored, ``staircase`` or ``dense``.
        conditioner: ``affine``, or ``additive`` for blocks that only shift.
        corrupted: share of the training values that are replaced by noise, anew in each step: what is left to
            learn is the background of a likelihood ratio.
        evaluate_epochs: epochs after which the test images are scored.
        checkpoint_every: epochs between checkpoints; 0 keeps only the last.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: Count = 128
    hidden_features: Annotated[tuple[Count, ...], Field(min_length=1)] = (512, 512)
    transforms: Count = 7
    batch_size: Count = 64
    learning_rate: Annotated[float, Field(gt=0)] = 1e-4
    epochs: Count = 50
    validation_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1
    seed: Seed = 0
    average_decay: Annotated[float, Field(ge=0, lt=1)] = 0.95
    clip_norm: Annotated[float, Field(gt=0)] = 1e5
    layout: Literal["staircase", "dense"] = "staircase"
    conditioner: Literal["affine", "additive"] = "affine"
    corrupted: Share = 0.0
    evaluate_epochs: tuple[Count, ...] = (1, 2, 3, 5, 8, 10, 15, *range(20, 51, 2))
    checkpoint_every: Annotated[int, Field(ge=0)] = 0


PROFILES = {
    "paper": MAFConfig(),
    "quick": MAFConfig(
        size=32,
        hidden_features=(128, 128),
        transforms=3,
        batch_size=16,
        learning_rate=1e-3,
        epochs=10,
        evaluate_epochs=(1, 2, 5, 10),
    ),
}


class VAEConfig(BaseModel):
    """Settings of a VAE run; the report names none, and ours were chosen by the bound on validation images.

    Attributes:
        size: height and width of the images in pixels; D = 3 · size².
        channels: of the encoder's convolutions, each of which halves the image; the decoder mirrors them.
        latent: k, the width of the bottleneck.
        batch_size: images per step.
        learning_rate: of Adam at the first step; it falls to zero along half a cosine.
        sigma_learning_rate: the same for log σ, which has further to go than a weight.
        epochs: passes over the training images.
        validation_fraction: share of the training images held out, as for the flow.
        seed: of the split, the weights, the order of the batches, the dequantisation noise and the draws.
        clip_norm: gradients whose norm is larger are scaled down to it, in nats per image.
        checkpoint_every: epochs between checkpoints; 0 keeps only the last.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: Count = 128
    channels: Annotated[tuple[Count, ...], Field(min_length=1)] = (16, 32, 64, 128)
    latent: Count = 64
    batch_size: Count = 16
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    sigma_learning_rate: Annotated[float, Field(gt=0)] = 4e-2
    epochs: Count = 40
    validation_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1
    seed: Seed = 0
    clip_norm: Annotated[float, Field(gt=0)] = 1e5
    checkpoint_every: Annotated[int, Field(ge=0)] = 10


VAE_PROFILES = {
    "paper": VAEConfig(),
    "quick": VAEConfig(size=32, channels=(16, 32), latent=16, epochs=20),
}


class CycleGANConfig(BaseModel):
    """Settings of a CycleGAN run; the defaults are the report's table (Tab2.1).

    Attributes:
        size: height and width of the images in pixels, divisible by 4.
        recipe: ``crop``: resize to 286/256 of the size, crop at random, mirror; ``resize``: mirror only.
        blocks: residual blocks of a generator.
        features: channels after the first convolution of every network.
        upsampling: of the generators, ``transposed`` or ``resize``.
        batch_size: images of each domain per step.
        learning_rate: of all networks.
        betas: of Adam.
        epochs: passes over the larger domain.
        decay_epochs: over how many of the last epochs the learning rate falls linearly to zero.
        cycle: λ, weight of the cycle losses.
        identity: weight of the identity losses, absolute.
        gan: the adversarial loss, ``least_squares`` or ``log``.
        pool: images in each history of translations.
        bfloat16: whether convolutions run in bfloat16.
        compile: whether ``torch.compile`` fuses the losses and their gradients.
        cuda_graphs: whether a step is replayed from CUDA graphs; for a GPU.
        seed: of the weights, the order of the images, crops, mirroring and pools.
        log_every: steps between two rows of losses.csv.
        checkpoint_every: steps between checkpoints, counted from the beginning of the run.
        evaluate_epochs: epochs after which test images are translated, drawn and measured.
        max_steps: at most so many steps per epoch; 0 for all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: Annotated[int, Field(ge=32, multiple_of=4)] = 128
    recipe: Literal["crop", "resize"] = "crop"
    blocks: Annotated[int, Field(ge=0)] = 6
    features: Count = 64
    upsampling: Literal["transposed", "resize"] = "transposed"
    batch_size: Count = 1
    learning_rate: Annotated[float, Field(gt=0)] = 2e-4
    betas: tuple[Share, Share] = (0.5, 0.999)
    epochs: Count = 20
    decay_epochs: Annotated[int, Field(ge=0)] = 0
    cycle: Weight = 10.0
    identity: Weight = 5.0
    gan: Literal["least_squares", "log"] = "least_squares"
    pool: Annotated[int, Field(ge=0)] = 50
    bfloat16: bool = False
    compile: bool = False
    cuda_graphs: bool = False
    seed: Seed = 0
    log_every: Count = 10
    checkpoint_every: Count = 500
    evaluate_epochs: tuple[Count, ...] = (1, 10, 20)
    max_steps: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _decay_within_the_run(self) -> Self:
        if self.decay_epochs > self.epochs:
            raise ValueError(f"decay_epochs={self.decay_epochs}: expected at most epochs={self.epochs}")
        return self


CYCLEGAN_PROFILES = {
    "paper": CycleGANConfig(),
    # The report's settings on images of a quarter of the pixels with half the channels: what two cores do
    # in an hour or two.
    "small": CycleGANConfig(size=64, features=32),
    "quick": CycleGANConfig(
        size=32,
        recipe="resize",
        blocks=2,
        features=16,
        epochs=4,
        max_steps=50,
        log_every=1,
        evaluate_epochs=(1, 2, 4),
    ),
}


@overload
def profile(name: str) -> MAFConfig: ...


@overload
def profile(name: str, profiles: Mapping[str, Settings]) -> Settings: ...


def profile(name: str, profiles: Mapping[str, BaseModel] = PROFILES) -> BaseModel:
    """The settings of a profile; UserError for an unknown name."""
    if name not in profiles:
        raise UserError(f"profile {name!r}: expected one of {', '.join(sorted(profiles))}")
    return profiles[name]


def override(config: Settings, assignments: Iterable[str]) -> Settings:
    """Settings with ``key=value`` assignments applied; values are read as YAML.

    Raises:
        UserError: an assignment without ``=``, an unknown key, a value that does not fit.

    Example:
        >>> override(PROFILES["quick"], ["epochs=3", "hidden_features=[8, 8]"]).hidden_features
        (8, 8)
    """
    values = config.model_dump()
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or key not in values:
            raise UserError(f"--set {assignment}: expected key=value with a key of {', '.join(values)}")
        try:
            values[key] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise UserError(f"--set {assignment}: the value cannot be read") from error
    return validated(type(config), values, "--set")


def validated(kind: type[Settings], values: dict, source: str) -> Settings:
    """Build settings from plain values; UserError names the first that does not fit."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:  # of several settings together
            raise UserError(f"{source} {first['ctx']['error']}") from error
        name = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{source} {name}={first['input']!r}: {first['msg']}") from error
