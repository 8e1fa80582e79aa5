"""The settings of a local detector, each with the reason for its default."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from hw2lib.schema import RunSettings

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Density = Literal["neighbours", "gaussian", "maf"]


class LocalConfig(RunSettings):
    """Settings of a detector that scores an image cell by cell.

    The defaults were chosen on synthetic defects in normal images; see
    :mod:`hw2lib.anomaly.local.selection`.
    """

    size: Annotated[int, Field(ge=16)] = Field(
        default=256,
        description="longer side of the images in pixels: a scratch is one to two pixels wide at 256",
    )
    cell: Count = Field(default=4, description="side of a cell in pixels: as large as the smallest defect")
    directions: Annotated[int, Field(ge=2)] = Field(
        default=8,
        description="of the filters; their length-to-width ratio asks for steps of about 20 degrees",
    )
    widths: Annotated[tuple[Positive, ...], Field(min_length=1)] = Field(
        default=(1.0, 2.0),
        description="σ across the line in pixels: the thinnest line pixels show, and twice that",
    )
    lengths: Annotated[tuple[Positive, ...], Field(min_length=1)] = Field(
        default=(4.0, 8.0),
        description="σ along the line in pixels, one per width; equal to it for isotropic filters",
    )
    pooling: Literal["energy", "value"] = Field(
        default="energy",
        description="energy keeps a thin line that runs between two samples; values of it cancel",
    )
    densities: Annotated[tuple[Density, ...], Field(min_length=1)] = Field(
        default=("neighbours",),
        description="calibrated maps of several are averaged; neighbours need no training",
    )
    whitening: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.5,
        description="exponent of the variances in the neighbours' distance: 0 none, 1 Mahalanobis",
    )
    neighbours: Count = Field(
        default=1,
        description="nearest normal images over whose distances is averaged: what occurred once is normal",
    )
    radius: Annotated[int, Field(ge=0)] = Field(
        default=2, description="cells around a cell in which neighbours lie: objects do not lie still"
    )
    shrinkage: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.1,
        description="share of the covariances off the diagonal taken from the position-wise Gaussian",
    )
    hidden_features: Annotated[tuple[Count, ...], Field(min_length=1)] = Field(
        default=(256, 256), description="units of the hidden layers of each MADE of the flow"
    )
    transforms: Count = Field(default=4, description="MADE blocks of the flow")
    steps: Count = Field(default=2000, description="training steps of the flow: four million cells")
    batch_cells: Count = Field(default=2048, description="cells in a training step, of all places and images")
    learning_rate: Positive = Field(
        default=1e-3, description="of Adam at the first step; falls along half a cosine"
    )
    noise: Annotated[float, Field(ge=0)] = Field(
        default=0.02,
        description="σ of what is added to whitened features in training: 175 images repeat themselves",
    )
    frequencies: Count = Field(
        default=7,
        description="octaves of sine and cosine that tell the flow the place; the finest is a cell or two",
    )
    clip_norm: Positive = Field(
        default=10.0, description="gradients whose norm is larger are scaled down to it"
    )
    held_out: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.2, description="share of the normal images on which a flow is calibrated, and not trained"
    )
    tail: Annotated[float, Field(gt=0.5, lt=1)] = Field(
        default=0.95,
        description="quantile of the normal scores above which their tail is taken as exponential",
    )
    window: Annotated[int, Field(ge=1)] = Field(
        default=5, description="cells across the square whose normal scores calibrate its middle; odd"
    )
    mask: Literal["auto", "none"] = Field(
        default="auto",
        description="auto looks for an object on a uniform border; dust beside it is no defect",
    )
    border_spread: Positive = Field(
        default=20.0, description="most standard deviation of a uniform border in the mean image, of 255"
    )
    mask_margin: Annotated[float, Field(ge=0)] = Field(
        default=0.012,
        description="σ by which the object is widened, of the longer side: it does not lie still",
    )
    top_cells: Count = Field(
        default=5, description="largest cells whose mean is an image's score: one cell is noise"
    )
    smoothing: Annotated[float, Field(ge=0)] = Field(
        default=1.0, description="σ in cells of the blur of the drawn map; the score does not use it"
    )
    seed: Annotated[int, Field(ge=0, lt=2**30)] = Field(
        default=0, description="of the flow's split, weights, batches and noise; the neighbours draw nothing"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(self.widths) != len(self.lengths):
            raise ValueError(f"lengths={self.lengths}: expected one for each of widths={self.widths}")
        if self.window % 2 == 0:
            raise ValueError(f"window={self.window}: expected an odd number")
        if len(set(self.densities)) < len(self.densities):
            raise ValueError(f"densities={self.densities}: each may occur once")
        return self
