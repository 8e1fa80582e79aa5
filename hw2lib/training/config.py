"""What a run is made of: validated settings with two profiles, quick and paper."""

from collections.abc import Iterable
from typing import Annotated, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hw2lib.errors import UserError

Count = Annotated[int, Field(ge=1)]
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
        evaluate_epochs: epochs after which the test images are scored.
        checkpoint_every: epochs between checkpoints; 0 keeps only the last.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: Count = 128
    hidden_features: tuple[Count, ...] = (512, 512)
    transforms: Count = 7
    batch_size: Count = 64
    learning_rate: Annotated[float, Field(gt=0)] = 1e-4
    epochs: Count = 50
    validation_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1
    seed: Annotated[int, Field(ge=0)] = 0
    average_decay: Annotated[float, Field(ge=0, lt=1)] = 0.95
    clip_norm: Annotated[float, Field(gt=0)] = 1e5
    layout: Literal["staircase", "dense"] = "staircase"
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


def profile(name: str, profiles: dict[str, Settings] = PROFILES) -> Settings:
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
        name = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{source} {name}={first['input']!r}: {first['msg']}") from error
