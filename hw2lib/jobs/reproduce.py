"""The recorded runs of the book, by name."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel

from hw2lib.anomaly.local.config import LocalConfig
from hw2lib.data import MVTecCategory
from hw2lib.data.source import load_capsules, load_pair
from hw2lib.errors import UserError
from hw2lib.runs.ablations import SEEDS, VARIANTS
from hw2lib.runs.folder import commit, has_checkpoint, record
from hw2lib.runs.manifest import write_manifest
from hw2lib.runs.paths import MARKED, is_from_uncommitted_code, paper_root
from hw2lib.training.devices import gpu_settings, resolve_device
from hw2lib.training.settings import (
    CYCLEGAN_PROFILES,
    VAE_PROFILES,
    CycleGANConfig,
    MAFConfig,
    Settings,
    VAEConfig,
)
from hw2lib.training.settings import profile as named_profile

from .baselines import BASELINES_PROFILES, BaselinesConfig, run_baselines
from .baselines import RECORDED_FILES as BASELINES_FILES
from .cyclegan import recorded_files, run_cyclegan
from .evaluate import evaluate_run, is_evaluated
from .flow_reconstruction import FLOW_RECONSTRUCTION_PROFILES, run_flow_reconstruction
from .flow_reconstruction import RECORDED_FILES as FLOW_RECONSTRUCTION_FILES
from .likelihood import RECORDED_FILES as LIKELIHOOD_FILES
from .likelihood import run_likelihood
from .local import PROFILES as LOCAL_PROFILES
from .local import RECORDED_FILES as LOCAL_FILES
from .local import run_local, run_local_ablations
from .local_places import run_local_places
from .local_selection import RECORDED_FILES as LOCAL_SELECTION_FILES
from .local_selection import run_local_selection
from .maf import RECORDED_FILES, run_maf
from .photographs import RECORDED_FILES as PHOTOGRAPHS_FILES
from .photographs import photograph_settings, run_photographs
from .pixel_comparison import RECORDED_FILES as PIXEL_FILES
from .pixel_comparison import pixel_settings, run_pixel_comparison
from .samples import RECORDED_FILES as SAMPLES_FILES
from .samples import run_sample_variation
from .toys import GEOMETRY_PROFILES, MOVES_PROFILES, ToyConfig, run_geometry, run_moves
from .toys import RECORDED_FILES as TOY_FILES
from .trained import cyclegan_config
from .vae import RECORDED_FILES as VAE_FILES
from .vae import run_vae


def has_metrics(run: Path) -> bool:
    """Whether a run has written its last file."""
    return (run / "metrics.json").exists()


@dataclass(frozen=True)
class Job:
    """A run that the book shows: its seeds, its data below the data folder, and how to do it.

    A run of several seeds has a folder per seed, and so has one of a single seed with ``seed_folders``.
    ``complete`` says of a run's folder whether there is nothing left to do. ``settings`` has what config.json
    holds under a profile and a seed, on a device that offers nothing; None where the run itself finds it.
    """

    seeds: tuple[int, ...]
    data: str
    files: tuple[str, ...]
    run: Callable[[str, int, Path | None, Path, str], bool]
    seed_folders: bool = False
    complete: Callable[[Path], bool] = has_metrics
    settings: Callable[[str, int], BaseModel | dict[str, Any]] | None = None


def _seeded(profiles: Mapping[str, Settings], profile: str, seed: int) -> Settings:
    return named_profile(profile, profiles).model_copy(update={"seed": seed})


def _maf_settings(
    profile: str, seed: int, changed: Callable[[MAFConfig], dict[str, object]] = lambda config: {}
) -> MAFConfig:
    config = named_profile(profile)
    return config.model_copy(update=changed(config) | {"seed": seed})


def _maf(
    profile: str,
    seed: int,
    data: Path | None,
    out: Path,
    device: str,
    settings: Callable[[str, int], MAFConfig] = _maf_settings,
) -> bool:
    config = settings(profile, seed)
    category = load_capsules(data, config.size)
    return run_maf(config, category, out, resume=has_checkpoint(out), device=device)


def _to_the_end(config: MAFConfig) -> dict[str, object]:
    """Ten times as long; beyond the profile's epochs the test is scored every fifth of its length."""
    epochs = config.epochs
    later = range(epochs + epochs // 5, 10 * epochs + 1, epochs // 5)
    return {
        "epochs": 10 * epochs,
        "checkpoint_every": epochs // 2,
        "evaluate_epochs": (*config.evaluate_epochs, *later),
    }


# One thing each differs from maf-capsule (book/protocol.yml: flow-trained-on, three-layers, what-was-added).
MAF_VARIANTS: dict[str, Callable[[MAFConfig], dict[str, object]]] = {
    "maf-capsule-end": _to_the_end,
    "maf-capsule-three-layers": lambda config: {
        "hidden_features": (*config.hidden_features, config.hidden_features[-1])
    },
    "maf-capsule-unclipped": lambda config: {"clip_norm": 1e30},
    "maf-capsule-undequantized": lambda config: {"dequantize": False},
}


def _maf_job(name: str, seeds: tuple[int, ...]) -> Job:
    settings = partial(_maf_settings, changed=MAF_VARIANTS[name])
    run = partial(_maf, settings=settings)
    return Job(seeds, "mvtec/capsule", RECORDED_FILES, run, seed_folders=True, settings=settings)


_baselines_settings: Callable[[str, int], BaselinesConfig] = partial(_seeded, BASELINES_PROFILES)


def _baselines(profile: str, seed: int, data: Path | None, out: Path, device: str) -> bool:
    config = _baselines_settings(profile, seed)
    category = load_capsules(data, config.size)
    return run_baselines(config, category, out)


def _flow_of_the_seed(profile: str, seed: int, data: Path | None, out: Path, device: str) -> Path | None:
    """The run of maf-capsule beside a job's own, trained first where it is not there; None if stopped."""
    name = "maf-capsule" if profile == "paper" else f"maf-capsule-{profile}"
    flow_run = out.parents[1] / name / f"seed-{seed}"
    trained = has_metrics(flow_run) or _maf(profile, seed, data, flow_run, device)
    return flow_run if trained else None


def _likelihood(profile: str, seed: int, data: Path | None, out: Path, device: str) -> bool:
    flow_run = _flow_of_the_seed(profile, seed, data, out, device)
    if flow_run is None:
        return False
    config = _maf_settings(profile, seed)
    return run_likelihood(config, flow_run, load_capsules(data, config.size), out, device)


def _samples(profile: str, seed: int, data: Path | None, out: Path, device: str) -> bool:
    flow_run = _flow_of_the_seed(profile, seed, data, out, device)
    if flow_run is None:
        return False
    config = _maf_settings(profile, seed)
    return run_sample_variation(config, flow_run, load_capsules(data, config.size), out)


def _pixels_settings(profile: str, seed: int) -> dict[str, Any]:
    return pixel_settings(_baselines_settings(profile, seed), _maf_settings(profile, seed))


def _pixels(profile: str, seed: int, data: Path | None, out: Path, device: str) -> bool:
    """With the flow of the job maf-capsule, which is trained first where it is not there."""
    flow_run = _flow_of_the_seed(profile, seed, data, out, device)
    if flow_run is None:
        return False
    config, size = _baselines_settings(profile, seed), named_profile(profile).size
    category = load_capsules(data, size)
    return run_pixel_comparison(config, flow_run, category, out)


_vae_settings: Callable[[str, int], VAEConfig] = partial(_seeded, VAE_PROFILES)


def _vae(profile: str, seed: int, data: Path | None, out: Path, device: str) -> bool:
    config = _vae_settings(profile, seed)
    category = load_capsules(data, config.size)
    return run_vae(config, category, out, resume=has_checkpoint(out), device=device)


_flow_reconstruction_settings: Callable[[str, int], MAFConfig] = partial(
    _seeded, FLOW_RECONSTRUCTION_PROFILES
)


def _flow_reconstruction(profile: str, seed: int, data: Path | None, out: Path, device: str) -> bool:
    config = _flow_reconstruction_settings(profile, seed)
    category = load_capsules(data, config.size)
    return run_flow_reconstruction(config, category, out, device)


def _local_settings(size: int, profile: str, seed: int) -> LocalConfig:
    changed = {"seed": seed} | ({"size": size} if profile == "paper" else {})
    return named_profile(profile, LOCAL_PROFILES).model_copy(update=changed)


def _local_setting(
    size: int, profile: str, seed: int, data: Path | None
) -> tuple[LocalConfig, MVTecCategory]:
    config = _local_settings(size, profile, seed)
    return config, load_capsules(data, config.size)


def _local(size: int, profile: str, seed: int, data: Path | None, out: Path, device: str) -> bool:
    return run_local(*_local_setting(size, profile, seed, data), out, device)


def _local_ablations(profile: str, seed: int, data: Path | None, out: Path, device: str) -> bool:
    return run_local_ablations(*_local_setting(256, profile, seed, data), out, device)


def _local_places(profile: str, seed: int, data: Path | None, out: Path, device: str) -> bool:
    return run_local_places(*_local_setting(256, profile, seed, data), out, device)


def _local_selection(profile: str, seed: int, data: Path | None, out: Path, device: str) -> bool:
    return run_local_selection(profile, seed, data, out)


def _cyclegan_settings(
    changed: Mapping[str, object], recorded: str, profile: str, seed: int
) -> CycleGANConfig:
    config = named_profile(recorded if profile == "paper" else profile, CYCLEGAN_PROFILES)
    return config.model_copy(update={**changed, "seed": seed})


def _cyclegan(
    pair: str,
    settings: Callable[[str, int], CycleGANConfig],
    profile: str,
    seed: int,
    data: Path | None,
    out: Path,
    device: str,
) -> bool:
    resume = has_checkpoint(out)
    if resume:  # in the precision in which it was begun
        config = cyclegan_config(out).model_copy(update={"seed": seed})
    else:
        config = settings(profile, seed)
        if profile == "paper":  # a quick run is too short to compile for
            config = gpu_settings(config, resolve_device(device))
    images = load_pair(pair, data, config.size, config.recipe)
    if has_metrics(out):  # of a run that ended before some measure was made
        evaluate_run(out, images, device)
        return True
    return run_cyclegan(config, images, out, resume, device)


def _photographs_settings(profile: str, seed: int) -> dict[str, Any]:
    return photograph_settings(named_profile(profile, CYCLEGAN_PROFILES))


def _photographs(profile: str, seed: int, data: Path | None, out: Path, device: str) -> bool:
    return run_photographs(named_profile(profile, CYCLEGAN_PROFILES), data, out)


def _toy(
    run: Callable[[ToyConfig, Path], bool],
    settings: Callable[[str, int], ToyConfig],
    profile: str,
    seed: int,
    data: Path | None,
    out: Path,
    device: str,
) -> bool:
    """A training that draws its own images."""
    return run(settings(profile, seed), out)


def _toy_job(
    seeds: tuple[int, ...], run: Callable[[ToyConfig, Path], bool], profiles: Mapping[str, ToyConfig]
) -> Job:
    settings = partial(_seeded, profiles)
    return Job(seeds, "", TOY_FILES, partial(_toy, run, settings), settings=settings)


PAIRS = {"apple2orange": "apple2orange", "summer2winter": "summer2winter_yosemite"}

# One thing each differs from cyclegan-apple2orange (book/protocol.yml: apple2orange-ablations, precision) and
# cyclegan-apple2orange-small (apple2orange-small, precision-small).
CYCLEGAN_VARIANTS: dict[str, dict[str, object]] = VARIANTS | {"float32": {"bfloat16": False}}


def _cyclegan_job(
    pair: str,
    changed: Mapping[str, object] = MappingProxyType({}),
    seeds: tuple[int, ...] = (0,),
    recorded: str = "paper",
) -> Job:
    """A run whose record has the settings of the profile ``recorded``, but for what is changed."""
    files = recorded_files(CYCLEGAN_PROFILES[recorded].evaluate_epochs)
    settings = partial(_cyclegan_settings, changed, recorded)
    run = partial(_cyclegan, pair, settings)
    return Job(seeds, PAIRS[pair], files, run, complete=is_evaluated, settings=settings)


FIVE, CAPSULE = (0, 1, 2, 3, 4), "mvtec/capsule"
JOBS = {
    "maf-capsule": Job(FIVE, CAPSULE, RECORDED_FILES, _maf, settings=_maf_settings),
    **{name: _maf_job(name, FIVE) for name in ("maf-capsule-end", "maf-capsule-three-layers")},
    **{name: _maf_job(name, (0,)) for name in ("maf-capsule-unclipped", "maf-capsule-undequantized")},
    "baselines-capsule": Job(
        (0,), CAPSULE, BASELINES_FILES, _baselines, seed_folders=True, settings=_baselines_settings
    ),
    "pixels-capsule": Job((0,), CAPSULE, PIXEL_FILES, _pixels, seed_folders=True, settings=_pixels_settings),
    "likelihood-capsule": Job(FIVE, CAPSULE, LIKELIHOOD_FILES, _likelihood, settings=_maf_settings),
    "samples-capsule": Job(FIVE, CAPSULE, SAMPLES_FILES, _samples, settings=_maf_settings),
    "vae-capsule": Job((0, 1, 2), CAPSULE, VAE_FILES, _vae, settings=_vae_settings),
    "flow-reconstruction-capsule": Job(
        (0, 1, 2),
        CAPSULE,
        FLOW_RECONSTRUCTION_FILES,
        _flow_reconstruction,
        settings=_flow_reconstruction_settings,
    ),
    **{
        f"local-capsule-{size}": Job(
            FIVE, CAPSULE, LOCAL_FILES, partial(_local, size), settings=partial(_local_settings, size)
        )
        for size in (256, 128)
    },
    "local-ablations-capsule": Job(
        (0,), CAPSULE, LOCAL_FILES, _local_ablations, settings=partial(_local_settings, 256)
    ),
    "local-places-capsule": Job(
        (0,), CAPSULE, LOCAL_FILES, _local_places, settings=partial(_local_settings, 256)
    ),
    "local-selection": Job((0,), CAPSULE, LOCAL_SELECTION_FILES, _local_selection),
    **{f"cyclegan-{pair}": _cyclegan_job(pair) for pair in PAIRS},
    **{f"cyclegan-{pair}-seeds": _cyclegan_job(pair, seeds=(1, 2)) for pair in PAIRS},
    **{
        f"cyclegan-apple2orange-{name}": _cyclegan_job("apple2orange", changed)
        for name, changed in CYCLEGAN_VARIANTS.items()
    },
    **{f"cyclegan-{pair}-small": _cyclegan_job(pair, seeds=SEEDS, recorded="small") for pair in PAIRS},
    **{
        f"cyclegan-apple2orange-small-{name}": _cyclegan_job("apple2orange", changed, recorded="small")
        for name, changed in CYCLEGAN_VARIANTS.items()
    },
    "photographs-grid": Job((0,), "", PHOTOGRAPHS_FILES, _photographs, settings=_photographs_settings),
    "toy-geometry": _toy_job((4, 5, 6, 7, 8), run_geometry, GEOMETRY_PROFILES),
    "toy-moves": _toy_job((1, 2, 3, 4, 5), run_moves, MOVES_PROFILES),
}


def reproduce_jobs(
    profile: str,
    only: list[str] | None,
    data: Path | None,
    runs: Path,
    device: str = "auto",
    allow_dirty: bool = False,
) -> Iterator[str]:
    """Do the named jobs (all by default), yielding a line after each run.

    A paper run is made from a commit, so that it can be made again; with ``allow_dirty`` from a checkout
    with changes too: its environment.json then has a commit that ends in ``-dirty``. The record of a run that
    was begun or resumed so, or outside of a checkout, is kept apart, in ``marked``, whatever is given now.

    Raises:
        UserError: an unknown job, or a paper run without the real data or from uncommitted code.
    """
    names = only or list(JOBS)
    for name in names:
        if name not in JOBS:
            raise UserError(f"--only {name}: expected one of {', '.join(JOBS)}")
    named_profile(profile)
    if profile == "paper" and data is None:
        raise UserError("--profile paper: needs --data with the folder of the real sets")
    if profile == "paper" and not allow_dirty and (commit() or "").endswith("-dirty"):
        raise UserError("--profile paper: uncommitted changes; commit them, or add --allow-dirty")
    for name in names:
        job = JOBS[name]
        for seed in job.seeds:
            below = f"seed-{seed}" if len(job.seeds) > 1 or job.seed_folders else ""
            out = runs / (name if profile == "paper" else f"{name}-{profile}") / below
            if not job.complete(out):
                folder = None if data is None else data / job.data
                if not job.run(profile, seed, folder, out, device):
                    yield f"{out}: stopped; the same command goes on"
                    return
            apart = ""
            if profile == "paper":
                apart = MARKED if is_from_uncommitted_code(out) else ""
                record(out, paper_root() / apart / name / below, job.files)
                write_manifest()
            yield f"{out}: finished" + (f", kept apart in {apart}" if apart else "")
