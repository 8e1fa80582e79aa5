"""Toy trainings that take too long for the notebook of chapter 10: what geometry costs, and whom."""

from pathlib import Path

import torch
from pydantic import PositiveInt

from hw2lib.cyclegan.networks import ResnetGenerator, UnetGenerator
from hw2lib.cyclegan.step import Objective
from hw2lib.experiments import geometry
from hw2lib.runs.folder import begin, holding_folder, write_json
from hw2lib.schema import RunSettings
from hw2lib.seeding import seeded_init

RECORDED_FILES = ("config.json", "environment.json", "metrics.json")
DATA = {"name": "rectangles", "checksum": "drawn from the seed"}
# With both losses as in Tab2.1, and with one or both taken away (book/protocol.yml, toy-geometry).
OBJECTIVES = {
    "both": Objective(cycle=10.0, identity=5.0),
    "no identity": Objective(cycle=10.0, identity=0.0),
    "no cycle": Objective(cycle=0.0, identity=5.0),
    "neither": Objective(cycle=0.0, identity=0.0),
}


class ToyConfig(RunSettings):
    """Seed and steps of a toy training."""

    seed: int = 0
    steps: PositiveInt


GEOMETRY_PROFILES = {"quick": ToyConfig(steps=12), "paper": ToyConfig(steps=120)}
MOVES_PROFILES = {"quick": ToyConfig(steps=10), "paper": ToyConfig(steps=800)}


@holding_folder
def run_geometry(config: ToyConfig, out: Path) -> bool:
    """Train the small CycleGAN to recolour and to mirror under each choice of losses.

    ``metrics.json`` has the agreement with the right answers (book: eq-agreement) by losses and task.

    Returns:
        True; there is nothing to resume.
    """
    agreement: dict[str, dict[str, float]] = {}
    for name, objective in OBJECTIVES.items():
        for task in ("recolour", "mirror"):
            found = geometry.translate(task, config.steps, objective, config.seed)
            agreement.setdefault(name, {})[task] = geometry.agreement(found.outputs, found.answers)
    return _write(config, out, {"agreement": agreement})


@holding_folder
def run_moves(config: ToyConfig, out: Path) -> bool:
    """Teach ResNet and U-Net each task from pairs, and ask what the U-Net's skip connections carry.

    ``metrics.json`` has ``errors`` on unseen images (book: eq-relative-error) by network and task, and
    ``nearer`` by task: how many times as near the output is to the answer of the image that the skip
    connections see as to that of the image which the innermost level sees.

    Returns:
        True; there is nothing to resume.
    """
    unseen = geometry.rectangles(64, torch.Generator().manual_seed(99), red=True)
    errors: dict[str, dict[str, float]] = {"ResNet": {}, "U-Net": {}}
    nearer: dict[str, float] = {}
    for task, answer in geometry.TASKS.items():
        with seeded_init(config.seed):
            networks = ResnetGenerator(blocks=2, features=8), UnetGenerator(downs=4, features=8)
        for name, network in zip(errors, networks, strict=True):
            geometry.fit_task(network, task, config.steps, config.seed)
            with torch.no_grad():
                errors[name][task] = geometry.relative_error(network(unseen), answer(unseen))
        nearer[task] = geometry.nearer_to_skips(networks[1], task, unseen)
    return _write(config, out, {"errors": errors, "nearer": nearer})


def _write(config: ToyConfig, out: Path, metrics: dict) -> bool:
    begin(out, config, torch.device("cpu"), DATA)
    write_json(out / "metrics.json", metrics)
    return True
