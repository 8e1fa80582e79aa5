"""What a run is made of: validated settings with two profiles, quick and paper."""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal, Self, TypeVar, overload

from pydantic import BaseModel, Field, model_validator

from hw2lib.errors import UserError
from hw2lib.memory import require_memory
from hw2lib.schema import RunSettings, parse_json, shortened, validated_model

Count = Annotated[int, Field(ge=1, lt=2**31)]
Natural = Annotated[int, Field(ge=0, lt=2**31)]
Share = Annotated[float, Field(ge=0, lt=1)]
Weight = Annotated[float, Field(ge=0)]
# Seeds of single steps are made from it, and have to fit into 64 bits.
Seed = Annotated[int, Field(ge=0, lt=2**30)]


Settings = TypeVar("Settings", bound=RunSettings)
# As people write numbers; none begins with 0 but fractions, so that nobody takes one for octal.
_NUMBER = re.compile(r"[+-]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


class MAFConfig(RunSettings):
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
        dequantize: whether training pixels get uniform noise; without, they stay at its mean, and the density
            may grow without bound on the 256 values.
        evaluate_epochs: epochs after which the test images are scored.
        checkpoint_every: epochs between checkpoints, beside those by the clock; 0 for the last alone.
    """

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
    dequantize: bool = True
    evaluate_epochs: tuple[Count, ...] = (1, 2, 3, 5, 8, 10, 15, *range(20, 51, 2))
    checkpoint_every: Natural = 0

    def least_bytes(self) -> int:
        """Of the weights: half of every product's, the part that the masks leave open."""
        widths = (3 * self.size**2, *self.hidden_features)
        products = sum(a * b for a, b in zip(widths, widths[1:], strict=False)) + 2 * widths[-1] * widths[0]
        return 4 * self.transforms * products // 2


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


class VAEConfig(RunSettings):
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
        checkpoint_every: epochs between checkpoints, beside those by the clock; 0 for the last alone.
    """

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
    checkpoint_every: Natural = 10

    def least_bytes(self) -> int:
        """Of the linear layers around the bottleneck, and of one image after the first convolution."""
        grid = self.size**2 // 4 ** len(self.channels) * self.channels[-1]
        return 4 * (3 * self.latent * grid + self.channels[0] * self.size**2 // 4)


VAE_PROFILES = {
    "paper": VAEConfig(),
    "quick": VAEConfig(size=32, channels=(16, 32), latent=16, epochs=20),
}


class CycleGANConfig(RunSettings):
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

    size: Annotated[int, Field(ge=32, multiple_of=4)] = 128
    recipe: Literal["crop", "resize"] = "crop"
    blocks: Natural = 6
    features: Count = 64
    upsampling: Literal["transposed", "resize"] = "transposed"
    batch_size: Count = 1
    learning_rate: Annotated[float, Field(gt=0)] = 2e-4
    betas: tuple[Share, Share] = (0.5, 0.999)
    epochs: Count = 20
    decay_epochs: Natural = 0
    cycle: Weight = 10.0
    identity: Weight = 5.0
    gan: Literal["least_squares", "log"] = "least_squares"
    pool: Natural = 50
    bfloat16: bool = False
    compile: bool = False
    cuda_graphs: bool = False
    seed: Seed = 0
    log_every: Count = 10
    checkpoint_every: Count = 500
    evaluate_epochs: tuple[Count, ...] = (1, 10, 20)
    max_steps: Natural = 0

    def least_bytes(self) -> int:
        """Of the residual blocks of two generators, and of one image after the first convolution."""
        return 4 * (2 * self.blocks * 18 * (4 * self.features) ** 2 + self.features * self.size**2)

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
    """Settings with ``key=value`` assignments applied.

    A value is a number, true or false, a name, or several in brackets, as JSON has them; a fraction may begin
    or end with its point. What another notation would read as something else (010, 1:30, yes) is refused.

    Raises:
        UserError: an assignment without ``=``, an unknown key or one given twice, a value that does not fit.

    Example:
        >>> override(PROFILES["quick"], ["epochs=3", "hidden_features=[8, 8]"]).hidden_features
        (8, 8)
    """
    values, seen = config.model_dump(), set()
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or key not in values:
            raise UserError(f"--set {assignment}: expected key=value with a key of {', '.join(values)}")
        if key in seen:
            raise UserError(f"--set {assignment}: {key} is given twice")
        seen.add(key)
        values[key] = _value(text)
    return validated(type(config), values, "--set")


def _value(text: str) -> object:
    """What a value on the command line is as JSON; a text where it is none."""
    try:
        return parse_json(text)
    except ValueError:
        return float(text) if _NUMBER.fullmatch(text) else text


def validated(kind: type[Settings], values: dict, source: str) -> Settings:
    """Build settings from values as JSON has them.

    Raises:
        UserError: names the first value that does not fit its type strictly, or says what memory a model of
            these settings would need where the machine has less.
    """
    config = validated_model(kind, values, source)
    # The setting to blame is the one whose usual value would spare most.
    usual = {name: config.model_copy(update={name: f.default}) for name, f in kind.model_fields.items()}
    name = min(usual, key=lambda name: usual[name].least_bytes())
    require_memory(config.least_bytes(), f"{source} {name}={shortened(getattr(config, name))}")
    return config
