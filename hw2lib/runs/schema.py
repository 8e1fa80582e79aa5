"""What the JSON files of a run have to hold for those who read them; more may be there."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Whole = Annotated[int, Field(ge=0, lt=2**31)]
Measures = dict[str, float | int | str | None]


class _Part(BaseModel):
    model_config = ConfigDict(extra="allow", allow_inf_nan=False)


class Settings(_Part):
    """config.json of any recorded run."""

    seed: Whole
    size: Annotated[int, Field(ge=1, lt=2**15)] = 1  # a run that compares several has theirs further down


class Data(_Part):
    name: str
    checksum: str


class Resumption(_Part):
    epoch: Whole
    step: Whole


class Environment(_Part):
    """environment.json; see :func:`~hw2lib.runs.folder.environment`."""

    data: Data
    device: str
    libraries: dict[str, str | None]
    resumed: list[Resumption] = []


class _Row(_Part):
    epoch: Whole


class _References(_Part):
    source: Measures
    real: Measures


class _Translation(_Part):
    reference: _References
    epochs: list[_Row]


class CycleGANMetrics(_Part):
    """metrics.json of a CycleGAN run, whose evaluation may still be to come."""

    test: list[_Row]
    translation: _Translation | None = None
    colours: list[Measures] = []
    steganography: list[Measures] = []
