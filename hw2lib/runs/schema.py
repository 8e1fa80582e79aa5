"""What the JSON files of a run have to hold for those who read them; more may be there."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, RootModel

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


class Estimate(_Part):
    """A measure with its interval."""

    value: float
    low: float
    high: float


Numbers = dict[str, float]
Estimates = dict[str, Estimate]


class _Scored(_Part):
    """AUROC by kind of defect, null where it cannot be had; the areas of maps, where there are masks."""

    auroc: Estimates | None
    pixel_auroc: Numbers | None = None


class _Row(_Part):
    epoch: Whole


class _References(_Part):
    source: dict[str, float | None]
    real: dict[str, float | None]


class _Classifier(_Part):
    test_accuracy: float
    unseen_accuracy: float
    steps: Whole
    seed: Whole
    seconds: float


class _Translation(_Part):
    classifier: _Classifier | None = None
    reference: _References
    epochs: list[_Row]


class _Outputs(_Part):
    photographs: dict[str, Estimates]
    epochs: list[_Row]
    skins: Numbers = {}


class CycleGANMetrics(_Part):
    """metrics.json of a CycleGAN run, whose evaluation may still be to come."""

    test: list[_Row]
    translation: _Translation | None = None
    colours: list[Measures] = []
    outputs: _Outputs | None = None
    steganography: list[Measures] = []
    returns: list[Measures] = []
    parameters: dict[str, int] = {}
    train_seconds: float = 0
    evaluation_seconds: float = 0
    seconds_per_step: float = 0
    peak_memory_gb: float = 0
    peak_gpu_memory_gb: float = 0


class Metrics(_Part):
    """metrics.json of any other run."""


class _MAFMetrics(_Part):
    plain: _Scored
    ema: _Scored
    train_bpd: float
    val_bpd: Numbers
    sampling: Numbers
    parameters: int
    train_seconds: float
    evaluation_seconds: float
    training_peak_memory_gb: float


class _VAEMetrics(_Part):
    error: _Scored
    nelbo: _Scored
    kl: _Scored
    train_bpd: float
    val_bpd: float
    sigma: float
    errors: Numbers
    pixel_auroc: Numbers | None
    parameters: int
    train_seconds: float
    training_peak_memory_gb: float


class _Timed(_Scored):
    seconds: float


class _BaselineMetrics(RootModel[dict[str, _Timed]]):
    pass


class _Counted(_Part):
    called: Whole
    of: Whole


class _Decisions(_Part):
    alarm_rate: float
    kinds: dict[str, _Counted]


class _Located(_Scored):
    localisation: Estimates = {}


class _LocalMethod(_Located):
    detection: Estimates
    location_only: Estimates = {}
    held_out: Whole
    decisions: list[_Decisions]


class _LocalMetrics(_Part):
    neighbours: _LocalMethod
    maf: _LocalMethod
    gaussian: _LocalMethod
    neighbours_and_maf: _LocalMethod
    seconds: float
    peak_memory_gb: float


class _AblationMetrics(RootModel[dict[str, _Located]]):
    pass


class _Place(_Part):
    pixels: Whole
    row: float
    column: float
    distance: float
    on_defect: float


class _PlacesMetrics(_Part):
    defects: dict[str, _Place]
    seconds: float
    peak_memory_gb: float


class _ReconstructionMetrics(_Part):
    nll: _Scored
    single: _Scored
    double: _Scored
    errors: dict[str, Numbers]


class _Comparison(_Part):
    first: float
    second: float
    difference: Estimate
    p_value: float


class _Compared(_Part):
    auroc: Estimate
    against_plain: _Comparison


class _LikelihoodMetrics(_Part):
    level: float
    scores: dict[str, _Compared]
    held_out_bpd: Numbers


class _PixelMetrics(_Part):
    flow_image_auroc: Estimate
    pixel_auroc: dict[str, Estimates]


class _Variances(_Part):
    along: float
    total: float


class _SampleMetrics(_Part):
    samples: _Variances
    data: _Variances
    null: _Variances


class _Trial(_Part):
    changed: dict[str, object]
    mean: float
    areas: dict[str, Numbers]


class _SelectionMetrics(_Part):
    neighbours: list[_Trial]
    flow: list[_Trial]


class _GridMetrics(RootModel[dict[str, dict[str, Estimates]]]):
    pass


class _GeometryMetrics(_Part):
    agreement: dict[str, Numbers]


class _MovesMetrics(_Part):
    errors: dict[str, Numbers]
    nearer: Numbers


_BY_JOB: dict[str, type[BaseModel]] = {
    "maf-": _MAFMetrics,
    "vae-": _VAEMetrics,
    "baselines-": _BaselineMetrics,
    "pixels-": _PixelMetrics,
    "likelihood-": _LikelihoodMetrics,
    "samples-": _SampleMetrics,
    "flow-reconstruction-": _ReconstructionMetrics,
    "local-capsule-": _LocalMetrics,
    "local-ablations-": _AblationMetrics,
    "local-places-": _PlacesMetrics,
    "local-selection": _SelectionMetrics,
    "cyclegan-": CycleGANMetrics,
    "photographs-": _GridMetrics,
    "toy-geometry": _GeometryMetrics,
    "toy-moves": _MovesMetrics,
}


def metrics_of(run: Path) -> type[BaseModel]:
    """What metrics.json of a recorded run has to hold, by the job that its folder, or that above, names."""
    name = run.parent.name if run.name.startswith("seed-") else run.name
    return next((schema for job, schema in _BY_JOB.items() if name.startswith(job)), Metrics)
